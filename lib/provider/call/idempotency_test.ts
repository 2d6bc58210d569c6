import assert from "node:assert/strict";
import { getAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { requestOf } from "../../../worlds/answers.ts";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import {
  type AnsweringNode,
  claimOf,
  type KeptAnswers,
  openFleetAnswers,
  openSqliteAnswers,
} from "../../../worlds/kept_answers.ts";
import type { CidText } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";
import {
  IDEMPOTENCY_PAYER_BYTES_MAX,
  IDEMPOTENCY_WINDOW_MS,
  KEY_REPLAYS_BURST_MAX,
} from "../../limits.ts";
import type { Bill } from "../money/scheme.ts";
import type { AnswersMost } from "./answers_table.ts";
import { fingerprintOf, requestKey } from "./idempotency.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const BILL: Bill = {
  source: "caller",
  payer: account.address,
  scope: `0x${"01".repeat(32)}`,
  cid: "bafytest" as CidText,
};
const [PRINT, OTHER_PRINT] = [new Uint8Array([1]), new Uint8Array([2])];

const keyOf = (text: string, bill = BILL) =>
  requestKey(new Headers({ "idempotency-key": text }), bill)!;

const answer = (bytes = 3) => (
  { status: 200, headers: [["a", "b"]] as [string, string][], body: new Uint8Array(bytes).fill(7) }
);

/** A run under a key to its charge. */
async function run(node: AnsweringNode, key: string, bytes?: number): Promise<void> {
  const claim = claimOf(await node.answers.take(keyOf(key), PRINT));
  const reservation = await node.hold();
  await claim.store(answer(bytes), reservation);
  await node.charge(reservation);
  await claim.end(true);
}

const SERVER = await startFleetServer();
const PLACES = [
  { place: "SQLite", ignore: false, open: openSqliteAnswers },
  {
    place: "PostgreSQL",
    ignore: SERVER === null,
    open: (most?: AnswersMost) => openFleetAnswers(SERVER!, most),
  },
];

function test(
  name: string,
  work: (kept: KeptAnswers) => Promise<void>,
  most?: AnswersMost,
): void {
  for (const { place, ignore, open } of PLACES) {
    Deno.test({
      name: `${place}: ${name}`,
      ignore,
      async fn() {
        await using kept = await open(most);
        await work(kept);
      },
    });
  }
}

test("an answer counts once its charge does: a crash between the two is no answer", async (kept) => {
  const before = await kept.begin();
  const lost = claimOf(await before.answers.take(keyOf("k"), PRINT));
  await lost.store(answer(), await before.hold());
  // The process dies here: the charge never came.
  const after = await kept.begin();
  assert.equal(await after.answers.isKnown(keyOf("k")), false);
  await run(after, "k");
  assert.equal(await after.answers.isKnown(keyOf("k")), true);
  assert.deepEqual(await after.answers.take(keyOf("k"), PRINT), { stored: answer() });
});

test("what was answered before a crash is answered after it", async (kept) => {
  await run(await kept.begin(), "k", 100_000);
  const after = await kept.begin();
  assert.deepEqual(await after.answers.take(keyOf("k"), PRINT), { stored: answer(100_000) });
  await assert.rejects(after.answers.take(keyOf("k"), OTHER_PRINT), {
    code: "idempotency_mismatch",
  });
  const payment = { ...keyOf("k"), isPayment: true };
  await assert.rejects(after.answers.take(payment, OTHER_PRINT), { code: "payment_required" });
});

test("a key is a place of its own for each payer, lane and deployment", async (kept) => {
  const { answers } = await kept.begin();
  const bills: Bill[] = [
    BILL,
    { ...BILL, payer: getAddress(`0x${"bb".repeat(20)}`) },
    { ...BILL, scope: `0x${"02".repeat(32)}` },
    { ...BILL, cid: "bafyother" as CidText },
  ];
  for (const bill of bills) claimOf(await answers.take(keyOf("k", bill), PRINT));
  const again = (print: Uint8Array) => answers.take(keyOf("k"), print);
  await assert.rejects(again(PRINT), { code: "idempotency_conflict", retryAfterSeconds: 1 });
  await assert.rejects(again(OTHER_PRINT), { code: "idempotency_mismatch" });
  assert.equal(await answers.isKnown(keyOf("k")), true);
  assert.equal(await answers.isKnown(keyOf("other")), false);
});

test("of two requests at once one runs", async (kept) => {
  const { answers } = await kept.begin();
  const taken = await Promise.allSettled([1, 2, 3].map(() => answers.take(keyOf("k"), PRINT)));
  assert.deepEqual(taken.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"]);
});

test("a claim that came to nothing frees the key, and its window ends", async (kept) => {
  const node = await kept.begin();
  await claimOf(await node.answers.take(keyOf("k"), PRINT)).end();
  assert.equal(await node.answers.isKnown(keyOf("k")), false);
  await run(node, "k");
  await kept.wait(IDEMPOTENCY_WINDOW_MS - 60_000);
  assert.ok("stored" in await node.answers.take(keyOf("k"), PRINT));
  await kept.wait(60_001);
  assert.equal(await node.answers.isKnown(keyOf("k")), false);
  claimOf(await node.answers.take(keyOf("k"), PRINT));
});

const SMALL: AnswersMost = { answers: 14, bytes: 9_000 };

test(
  "a payer that fills its share loses bodies, never the word that it was charged",
  async (kept) => {
    const node = await kept.begin();
    for (let n = 0; n < 5; n++) {
      await kept.wait(1);
      await run(node, `k${n}`, 1_000);
    }
    await assert.rejects(node.answers.take(keyOf("k0"), PRINT), {
      code: "idempotency_conflict",
      message: /answered and charged.*later ones took its place/,
    });
    for (let n = 1; n < 5; n++) {
      assert.deepEqual(await node.answers.take(keyOf(`k${n}`), PRINT), { stored: answer(1_000) });
    }
    await run(node, "large", 5_000);
    await assert.rejects(node.answers.take(keyOf("large"), PRINT), { message: /no room for it/ });
    assert.ok("stored" in await node.answers.take(keyOf("k4"), PRINT));
  },
  SMALL,
);

test("a payer has as many answers as are left for others, and then waits", async (kept) => {
  const node = await kept.begin();
  for (let n = 0; n < SMALL.answers / 2; n++) await run(node, `k${n}`);
  await kept.wait(60_000);
  await assert.rejects(node.answers.take(keyOf("more"), PRINT), (error: KhachapuriError) => {
    assert.equal(error.code, "rate_limited");
    const left = IDEMPOTENCY_WINDOW_MS / 1_000 - 60 - error.retryAfterSeconds!;
    assert.ok(Math.abs(left) <= 10, `${left} s off`);
    return true;
  });
  assert.equal(await node.answers.isKnown(keyOf("more")), false);
  assert.ok("stored" in await node.answers.take(keyOf("k0"), PRINT));
  const other: Bill = { ...BILL, payer: getAddress(`0x${"bb".repeat(20)}`) };
  claimOf(await node.answers.take(keyOf("k", other), PRINT));
  await kept.wait(IDEMPOTENCY_WINDOW_MS);
  await run(node, "more");
}, SMALL);

Deno.test("a payer alone may not take more of SQLite's disk than one may", async () => {
  await using kept = await openSqliteAnswers();
  const node = await kept.begin();
  for (let n = 0; n < 5; n++) {
    await kept.wait(1);
    await run(node, `k${n}`, IDEMPOTENCY_PAYER_BYTES_MAX / 4);
  }
  await assert.rejects(node.answers.take(keyOf("k0"), PRINT), { message: /took its place/ });
  assert.ok("stored" in await node.answers.take(keyOf("k4"), PRINT));
});

test("what is kept of an answer may be why it is not", async (kept) => {
  const node = await kept.begin();
  const claim = claimOf(await node.answers.take(keyOf("k"), PRINT));
  const reservation = await node.hold();
  await claim.store({ why: "it was cut short" }, reservation);
  await node.charge(reservation);
  // Its charge is known before its end is.
  await assert.rejects(node.answers.take(keyOf("k"), PRINT), {
    code: "idempotency_conflict",
    message: /answered and charged.*it was cut short/,
  });
});

test("an answer is given again a few times at once, and then seldom", async (kept) => {
  const node = await kept.begin();
  await run(node, "k");
  const again = () => node.answers.take(keyOf("k"), PRINT);
  for (let n = 0; n < KEY_REPLAYS_BURST_MAX; n++) assert.ok("stored" in await again());
  await assert.rejects(again(), { code: "rate_limited" });
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
