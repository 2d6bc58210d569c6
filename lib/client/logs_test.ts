import assert from "node:assert/strict";
import type { Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { isOwnerRequestValid, parseOwnerRequest } from "../spec/owner_request.ts";
import { fetchLogs } from "./logs.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PROVIDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const AT = { chainId: 8_453, escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" } as const;
const NOW_SECONDS = 1_000n;

const run = {
  at: 1_700_000_000_000,
  method: "POST",
  status: 502,
  exit: null,
  signal: "SIGKILL",
  limit: "memory",
  wallMs: 12.5,
  cpuMs: null,
  peakMemoryBytes: null,
  stdinBytes: 1,
  stdoutBytes: 0,
  stderrBytes: 3,
  stderr: "no\n",
};

function ask(response: Response) {
  const asked: { url: string; body: unknown }[] = [];
  const fetch = ((url: string, { body }: RequestInit) => {
    asked.push({ url, body: JSON.parse(String(body)) });
    return Promise.resolve(response);
  }) as typeof globalThis.fetch;
  const at = { address: PROVIDER, webDomain: "https://p.test", ...AT } as const;
  const options = { now: () => Number(NOW_SECONDS) * 1_000 + 999, fetch };
  return { asked, runs: fetchLogs(account, "bafy", at, options) };
}

Deno.test("runs come as the provider kept them; members that are new are left out", async () => {
  const { runs } = ask(Response.json({ runs: [{ ...run, cores: 1 }], more: true }));
  assert.deepEqual(await runs, { runs: [{ ...run, reason: null }], cannotRun: null });
  const cannotRun = { message: "main is empty", hints: ["fill it"] };
  const refused = ask(Response.json({ runs: [{ ...run, reason: "too much" }], cannotRun }));
  assert.deepEqual(await refused.runs, { runs: [{ ...run, reason: "too much" }], cannotRun });
});

Deno.test("the question is the owner's, for this provider, for a short time", async () => {
  const { asked, runs } = ask(Response.json({ runs: [] }));
  await runs;
  assert.equal(asked[0]!.url, "https://p.test/logs");
  const request = parseOwnerRequest(asked[0]!.body);
  assert.deepEqual([request.owner, request.subject], [account.address, "bafy"]);
  const isValid = (
    asked: { provider: Address; chainId?: number; escrow?: Address },
    nowSeconds: bigint,
  ) => isOwnerRequestValid(request, { action: "logs", ...AT, ...asked }, nowSeconds);
  assert.ok(await isValid({ provider: PROVIDER }, NOW_SECONDS));
  assert.ok(!await isValid({ provider: PROVIDER, chainId: 1 }, NOW_SECONDS), "another chain");
  assert.ok(
    !await isValid({ provider: PROVIDER, escrow: PROVIDER }, NOW_SECONDS),
    "another escrow",
  );
  assert.ok(!await isValid({ provider: account.address }, NOW_SECONDS), "another provider");
  assert.ok(!await isValid({ provider: PROVIDER }, NOW_SECONDS + 300n), "later");
});

Deno.test("an answer that is no log is the provider's failure", async () => {
  const answers = ["hello", "{}", JSON.stringify({ runs: [{ ...run, stderr: null }] })];
  for (const text of answers) {
    await assert.rejects(ask(new Response(text)).runs, { code: "provider_unavailable" });
  }
  const refusal = Response.json({ error: "not_found", message: "no runs" }, { status: 404 });
  await assert.rejects(ask(refusal).runs, { code: "not_found" });
});
