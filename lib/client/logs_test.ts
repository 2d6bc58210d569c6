import assert from "node:assert/strict";
import type { Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { isOwnerRequestValid, parseOwnerRequest } from "../spec/owner_request.ts";
import { fetchLogs, followLogs } from "./logs.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PROVIDER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const AT = { chainId: 8_453, escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" } as const;
const WHERE = { address: PROVIDER, webDomain: "https://p.test", ...AT } as const;
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
  const options = { now: () => Number(NOW_SECONDS) * 1_000 + 999, fetch };
  return { asked, runs: fetchLogs(account, "bafy", WHERE, options) };
}

Deno.test("runs come as the provider kept them; members that are new are left out", async () => {
  const { runs } = ask(Response.json({ runs: [{ ...run, cores: 1 }], more: true }));
  const older = { path: null, egress: null, credits: 1, reason: null };
  const lacking = { server: [], cursor: null, cannotRun: null };
  assert.deepEqual(await runs, { runs: [{ ...run, ...older }], ...lacking });
  const cannotRun = { message: "main is empty", hints: ["fill it"] };
  const egress = {
    connections: 1,
    sentBytes: 2,
    receivedBytes: 3,
    unreached: [{ host: "a.test", port: null, failure: "notListed" }],
  };
  const newer = { path: "/a", egress, credits: 4, reason: "too much" };
  const refused = ask(Response.json({ runs: [{ ...run, ...newer }], cursor: 7, cannotRun }));
  const told = { runs: [{ ...run, ...newer }], server: [], cursor: 7, cannotRun };
  assert.deepEqual(await refused.runs, told);
});

Deno.test("what a server wrote comes beside the runs, also in kinds that are new", async () => {
  const nothing = { output: null, event: null, readyMs: null, why: null, reason: null };
  const server = [
    { at: 1, instance: 1, event: "started", readyMs: 12.5, why: null, reason: null },
    { at: 2, instance: 1, output: "one\ntwo" },
    { at: 3, instance: 2, pressure: "high" },
  ];
  const { runs } = ask(Response.json({ runs: [], server, cursor: 3 }));
  assert.deepEqual((await runs).server, [
    { ...nothing, ...server[0] },
    { ...nothing, ...server[1] },
    { ...nothing, at: 3, instance: 2 },
  ]);
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

/** Follows a log whose provider answers so, one after the other, until so many answers are read. */
async function follow(answers: (() => Response)[], readCount: number, waitedMs = 25_000) {
  const asked: string[] = [];
  const pauses: number[] = [];
  const troubles: string[] = [];
  let clock = Number(NOW_SECONDS) * 1_000;
  const fetch = ((url: string) => {
    asked.push(url.slice("https://p.test".length));
    const answer = answers.shift();
    if (!answer) throw new Error("asked once too often");
    if (url.includes("wait=25")) clock += waitedMs;
    return Promise.resolve().then(answer);
  }) as typeof globalThis.fetch;
  const reader = followLogs(account, "bafy", WHERE, {
    fetch,
    now: () => clock,
    onTrouble: ({ message }) => void troubles.push(message),
    pause: (ms) => {
      pauses.push(ms);
      return Promise.resolve();
    },
  });
  const read: number[][] = [];
  for await (const { runs } of reader) {
    read.push(runs.map(({ at }) => at));
    if (read.length === readCount) break;
  }
  return { asked, pauses, troubles, read };
}

const page = (cursor: number, ...ats: number[]) => () =>
  Response.json({ cursor, runs: ats.map((at) => ({ ...run, at })) });

Deno.test("a log is followed from where it was read to, without haste", async () => {
  const { asked, pauses, read } = await follow(
    [page(2, 1, 2), page(2), page(5, 3), page(5)],
    4,
  );
  assert.deepEqual(asked, [
    "/logs",
    "/logs?after=2&wait=25",
    "/logs?after=2&wait=25",
    "/logs?after=5&wait=25",
  ]);
  assert.deepEqual(read, [[1, 2], [], [3], []]);
  assert.deepEqual(pauses, [500, 500]);
});

Deno.test("a server that writes is followed without haste, too", async () => {
  const lines = () =>
    Response.json({ cursor: 1, runs: [], server: [{ at: 1, instance: 1, output: "one" }] });
  assert.deepEqual((await follow([lines, lines, page(1)], 3)).pauses, [500, 500]);
});

Deno.test("a provider that lets nobody wait is asked every other second", async () => {
  assert.deepEqual((await follow([page(0), page(0), page(0)], 3, 10)).pauses, [2_000]);
});

Deno.test("a provider that is away is asked again, ever less often, and nothing is missed", async () => {
  const away = () => {
    throw new TypeError("connection refused");
  };
  const starting = () => new Response("bad gateway", { status: 502 });
  const { asked, pauses, troubles, read } = await follow(
    [page(2, 1), away, starting, ...Array.from({ length: 5 }, () => away), page(3, 2), page(3)],
    3,
  );
  assert.deepEqual(read, [[1], [2], []]);
  assert.deepEqual(pauses, [500, 1e3, 2e3, 4e3, 8e3, 16e3, 30e3, 30e3, 500]);
  assert.equal(troubles.length, 7);
  assert.ok(asked.slice(1, 9).every((path) => path === "/logs?after=2&wait=25"));
});

Deno.test("a refusal ends it, and a provider that is too old says so by its answer", async () => {
  const refusal = () => Response.json({ error: "not_found", message: "no runs" }, { status: 404 });
  await assert.rejects(follow([page(1), refusal], 9), { code: "not_found" });
  const old = () => Response.json({ runs: [] });
  await assert.rejects(follow([old], 9), { code: "not_implemented" });
});
