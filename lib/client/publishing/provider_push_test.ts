import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { formatCid } from "../../cid.ts";
import { carBytes, writeCar } from "../../ipfs/car.ts";
import { importFile } from "../../ipfs/dag.ts";
import { isPushValid, parsePushAuthorization } from "../../spec/push.ts";
import { providerPush } from "./provider_push.ts";

const DAG = importFile(new Uint8Array(3_500_000).map((_, i) => i * 7 + (i >> 8) + (i >> 16)));
const SMALL = importFile(new Uint8Array(1_000).fill(9));
const CAR = writeCar(DAG);
const NOW = 1_800_000_000_000;
const ESCROW = "0x5FbDB2315678afecb367f032d93F642f64180aa3";

interface Seen {
  method: string;
  offset: string | null;
  expect: string | null;
  bytes: number;
  nonce: string;
}

/** The wire of a provider that keeps what comes, or answers all pushes otherwise. */
function startWire(refuse?: () => Response, held = new Uint8Array()) {
  const account = privateKeyToAccount(generatePrivateKey());
  const provider = privateKeyToAccount(generatePrivateKey()).address;
  const seen: Seen[] = [];
  let kept = held;
  const answer = async (request: Request): Promise<Response> => {
    const push = parsePushAuthorization(request.headers.get("authorization"));
    const asked = { provider, chainId: 31_337, escrow: ESCROW } as const;
    assert.ok(await isPushValid(push, asked, BigInt(NOW / 1_000)), "signed, for now");
    const offset = request.headers.get("upload-offset");
    const entry = {
      method: request.method,
      offset,
      expect: request.headers.get("expect"),
      bytes: 0,
      nonce: push.nonce,
    };
    seen.push(entry);
    if (request.method === "HEAD") {
      return new Response(null, { headers: { "upload-offset": String(kept.length) } });
    }
    if (refuse) return refuse();
    assert.equal(request.headers.get("content-type"), "application/vnd.ipld.car");
    const body = await request.bytes();
    entry.bytes = body.length;
    kept = await new Blob([kept.slice(0, Number(offset ?? 0)), body]).bytes();
    assert.equal(kept.length, Number(push.bytes));
    return Response.json({ root: push.root, bytes: entry.bytes }, { status: 201 });
  };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    onError: (error) => new Response(String(error), { status: 500 }),
  }, answer);
  const webDomain = `http://127.0.0.1:${server.addr.port}`;
  const waits: number[] = [];
  const target = { name: "p.eth", webDomain, address: provider, chainId: 31_337, escrow: ESCROW };
  return {
    seen,
    waits,
    kept: () => kept,
    to: providerPush(account, { ...target, isPublic: false } as never, {
      now: () => NOW,
      wait: (ms) => Promise.resolve(void waits.push(ms)),
    }),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a push is the whole CAR, signed anew for each request, and asked for at the end", async () => {
  await using wire = startWire();
  const sent: number[] = [];
  await wire.to.publish(DAG, { onSent: (bytes) => sent.push(bytes) });
  assert.deepEqual(wire.kept(), CAR);
  assert.deepEqual(wire.seen.map(({ method }) => method), ["HEAD", "POST", "HEAD"]);
  assert.equal(wire.seen[1]!.bytes, CAR.length);
  assert.equal(new Set(wire.seen.map(({ nonce }) => nonce)).size, 3, "no nonce twice");
  assert.equal(sent.at(-1), CAR.length);
  await wire.to.publish(SMALL, { onSent() {} });
  assert.equal(wire.seen[3]!.method, "POST", "for a small one nobody asks first");
});

Deno.test("what is there already of a large one is not sent again", async () => {
  await using wire = startWire(undefined, CAR.slice(0, 2_000_000));
  await wire.to.publish(DAG, { onSent() {} });
  assert.deepEqual(wire.kept(), CAR);
  const { offset, bytes } = wire.seen[1]!;
  assert.deepEqual([offset, bytes], ["2000000", CAR.length - 2_000_000]);
});

Deno.test("a refusal is told in the provider's words, with its hints, and not tried again", async () => {
  const refuse = () =>
    Response.json({
      error: "payment_required",
      message: "nothing is allowed",
      hints: ["khachapuri allow p.eth --credits 100"],
    }, { status: 402 });
  await using wire = startWire(refuse);
  await assert.rejects(wire.to.publish(SMALL, { onSent() {} }), {
    code: "payment_required",
    message: /nothing is allowed/,
    hints: ["khachapuri allow p.eth --credits 100"],
  });
  assert.deepEqual([wire.seen.length, wire.waits], [1, []]);
});

Deno.test("a provider that keeps something else, or less, is a failure", async () => {
  const other = formatCid(importFile(new Uint8Array(3)).root);
  {
    await using wire = startWire(() => Response.json({ root: other }));
    await assert.rejects(wire.to.publish(SMALL, { onSent() {} }), { code: "ipfs_mismatch" });
  }
  const root = formatCid(SMALL.root);
  await using wire = startWire(() => Response.json({ root }));
  await assert.rejects(wire.to.publish(SMALL, { onSent() {} }), {
    code: "provider_unavailable",
    message: new RegExp(`has 0 of the ${carBytes(SMALL)} bytes`),
  });
});
