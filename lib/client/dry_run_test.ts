import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { isOwnerRequestValid, parseOwnerRequest } from "../spec/owner_request.ts";
import { dryRunAt } from "./dry_run.ts";

const OWNER = privateKeyToAccount(generatePrivateKey());
const PROVIDER = privateKeyToAccount(generatePrivateKey()).address;
const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const PLACE = {
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
} as const;
const NOW = 1_800_000_000_000;
const READY = { cid: CID, price: "1000", creditsLeft: "50", payable: null, warnings: [], ms: 7 };

/** A provider that answers so to its owners' questions. */
function startProvider(answer: unknown, status = 200) {
  const asked: unknown[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    asked.push([request.method, new URL(request.url).pathname, await request.json()]);
    return Response.json(answer, { status });
  });
  const webDomain = `http://127.0.0.1:${server.addr.port}`;
  return {
    asked,
    webDomain,
    rehearse: () => dryRunAt(OWNER, { ...PLACE, address: PROVIDER, webDomain }, CID, NOW),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a rehearsal is asked for by the owner's signature, for that provider and for now", async () => {
  await using provider = startProvider({ ...READY, warnings: ["few \x1b[31mcredits"] });
  const { price, creditsLeft, warnings, ms } = await provider.rehearse();
  assert.deepEqual([price, creditsLeft, ms], [1_000n, 50n, 7]);
  assert.ok(!warnings[0]!.includes("\x1b"), "nothing that acts on a terminal");
  const [[method, path, body]] = provider.asked as [[string, string, unknown]];
  assert.deepEqual([method, path], ["POST", "/dry-run"]);
  const request = parseOwnerRequest(body);
  assert.deepEqual([request.subject, request.owner], [CID, OWNER.address]);
  const at = (place: object) => {
    const asked = { ...PLACE, action: "dry-run" as const, provider: PROVIDER, ...place };
    return isOwnerRequestValid(request, asked, BigInt(NOW / 1_000));
  };
  assert.ok(await at({}));
  assert.ok(!await at({ provider: OWNER.address }), "it is no question to another");
});

Deno.test("what a caller would be refused with is thrown, in the provider's words", async () => {
  const refusal = { error: "invalid_program", message: "no main", hints: ["owner: mend it"] };
  await using provider = startProvider(refusal, 422);
  await assert.rejects(provider.rehearse(), {
    code: "invalid_program",
    message: `${provider.webDomain}: no main`,
    hints: ["owner: mend it"],
  });
});

Deno.test("all that is ready, and nobody pays for, is refused as a payment", async () => {
  const payable = { message: "no credits", hints: ["allow some"] };
  await using provider = startProvider({ ...READY, payable });
  await assert.rejects(provider.rehearse(), { code: "payment_required", hints: ["allow some"] });
});

Deno.test("an answer that is none is the provider's failure", async () => {
  for (const answer of [{}, { ...READY, price: "-1" }, "yes"]) {
    await using provider = startProvider(answer);
    await assert.rejects(provider.rehearse(), { code: "provider_unavailable" });
  }
});
