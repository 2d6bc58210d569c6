import assert from "node:assert/strict";
import { requestOf } from "../../../worlds/answers.ts";
import { join } from "node:path";
import { getAddress } from "viem";
import { IDEMPOTENCY_PAYER_BYTES_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../../cid.ts";
import type { Bill } from "../money/scheme.ts";
import { type Claim, fingerprintOf, requestKey } from "./idempotency.ts";
import { SqliteIdempotency } from "./sqlite_idempotency.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const BILL: Bill = {
  source: "caller",
  payer: account.address,
  scope: `0x${"01".repeat(32)}`,
  cid: "bafytest" as CidText,
};
const PRINT = new Uint8Array([1]);

const keyOf = (text: string, bill = BILL) =>
  requestKey(new Headers({ "idempotency-key": text }), bill)!;

async function withAnswers(
  work: (open: () => SqliteIdempotency, world: World) => Promise<void> | void,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const world: World = { charged: new Set(), now: 1_000_000_000 };
  try {
    const open = () =>
      new SqliteIdempotency({
        path: join(dir, "answers.db"),
        wasCharged: (reservation) => world.charged.has(reservation),
        now: () => world.now,
      });
    await work(open, world);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

interface World {
  charged: Set<number>;
  now: number;
}

function claimOf(taken: { claim: Claim } | { stored: unknown }): Claim {
  assert.ok("claim" in taken, "it was answered before");
  return taken.claim;
}

const answer = (bytes = 3) => (
  { status: 200, headers: [["a", "b"]] as [string, string][], body: new Uint8Array(bytes) }
);

Deno.test("an answer counts once its charge does: a crash between the two is no answer", async () => {
  await withAnswers(async (open, world) => {
    const before = open();
    await claimOf(await before.take(keyOf("k"), PRINT)).store(answer(), 7);
    // The process dies here: the charge of reservation 7 never came, the restart released it.
    before.close();
    const after = open();
    assert.equal(await after.isKnown(keyOf("k")), false);
    const claim = claimOf(await after.take(keyOf("k"), PRINT));
    await claim.store(answer(), 8);
    world.charged.add(8);
    await claim.end();
    assert.deepEqual(await after.take(keyOf("k"), PRINT), { stored: answer() });
    after.close();
  });
});

Deno.test("a key is a place of its own for each payer, lane and deployment", async () => {
  await withAnswers(async (open) => {
    const answers = open();
    const bills: Bill[] = [
      BILL,
      { ...BILL, payer: getAddress(`0x${"bb".repeat(20)}`) },
      { ...BILL, scope: `0x${"02".repeat(32)}` },
      { ...BILL, cid: "bafyother" as CidText },
    ];
    for (const bill of bills) claimOf(await answers.take(keyOf("k", bill), PRINT));
    const again = (print: Uint8Array) => answers.take(keyOf("k"), print);
    await assert.rejects(again(PRINT), { code: "idempotency_conflict" });
    await assert.rejects(again(new Uint8Array([2])), { code: "idempotency_mismatch" });
    answers.close();
  });
});

Deno.test("a claim that came to nothing frees the key, and its window ends", async () => {
  await withAnswers(async (open, world) => {
    const answers = open();
    await claimOf(await answers.take(keyOf("k"), PRINT)).end();
    const claim = claimOf(await answers.take(keyOf("k"), PRINT));
    await claim.store(answer(), 1);
    world.charged.add(1);
    await claim.end();
    world.now += IDEMPOTENCY_WINDOW_MS;
    assert.ok("stored" in await answers.take(keyOf("k"), PRINT));
    world.now += 1;
    claimOf(await answers.take(keyOf("k"), PRINT));
    answers.close();
  });
});

Deno.test("a payer that fills its share loses bodies, never the word that it was charged", async () => {
  await withAnswers(async (open, world) => {
    const answers = open();
    const bytes = IDEMPOTENCY_PAYER_BYTES_MAX / 4;
    for (let n = 0; n < 5; n++) {
      world.now += 1;
      const claim = claimOf(await answers.take(keyOf(`k${n}`), PRINT));
      await claim.store(answer(bytes), n);
      world.charged.add(n);
      await claim.end();
    }
    await assert.rejects(answers.take(keyOf("k0"), PRINT), {
      code: "idempotency_conflict",
      message: /answered and charged.*later ones took its place/,
    });
    assert.ok("stored" in await answers.take(keyOf("k4"), PRINT));
    answers.close();
  });
});

Deno.test("a key is quoted as RFC 8941 has it or bare, and nothing else", () => {
  assert.deepEqual(keyOf('"a-b"'), keyOf("a-b"));
  assert.notDeepEqual(keyOf("a"), keyOf("b"));
  for (const bad of ["", '""', "a b", "x".repeat(256)]) {
    assert.throws(() => keyOf(bad), { code: "invalid_input" }, bad);
  }
  assert.equal(requestKey(new Headers(), BILL), null);
});

Deno.test("requests differ by method, path, query, content type and body", () => {
  const of = (method: string, path: string, type: string, hash: string) => {
    const headers = { "content-type": type };
    const request = requestOf(`http://a${path}`, { method, headers });
    return fingerprintOf(request, { path: request.path }, hash, false).join();
  };
  const prints = [
    of("POST", "/a", "text/plain", "0x1"),
    of("PUT", "/a", "text/plain", "0x1"),
    of("POST", "/a?b", "text/plain", "0x1"),
    of("POST", "/a?", "text/plain", "0x1"),
    of("POST", "/a", "text/html", "0x1"),
    of("POST", "/a", "text/plain", "0x2"),
  ];
  assert.equal(new Set(prints).size, prints.length);
  assert.equal(of("POST", "/a", "text/plain", "0x1"), prints[0]);
});

Deno.test("under a name a request stays the same when the name moves, and is no other's", () => {
  const fields = new Headers({ "idempotency-key": "k" });
  const idOf = (cid: string, name?: string) =>
    requestKey(fields, { ...BILL, cid: cid as CidText }, name === undefined ? {} : { name })!.id;
  assert.deepEqual(idOf("bafyone", "blog"), idOf("bafytwo", "blog"));
  assert.notDeepEqual(idOf("bafyone", "blog"), idOf("bafyone", "shop"));
  assert.notDeepEqual(idOf("bafyone", "blog"), idOf("bafyone"));
  assert.notDeepEqual(idOf("bafyone"), idOf("bafytwo"));
});
