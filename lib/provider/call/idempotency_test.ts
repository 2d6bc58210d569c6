import assert from "node:assert/strict";
import { join } from "node:path";
import { getAddress } from "viem";
import type { KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_PAYER_BYTES_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { signPermit, UINT64_MAX } from "../../permit.ts";
import { privateKeyToAccount } from "viem/accounts";
import type { Bill } from "../money/bill.ts";
import { type Claim, fingerprintOf, openIdempotency, requestKey } from "./idempotency.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const permit = await signPermit(account, {
  chainId: 1,
  escrow: getAddress(`0x${"ee".repeat(20)}`),
}, {
  payer: account.address,
  provider: getAddress(`0x${"aa".repeat(20)}`),
  lane: `0x${"01".repeat(32)}`,
  price: 1n,
  credits: 1n,
  deadline: UINT64_MAX,
});
const { payer, lane } = permit;
const BILL: Bill = {
  ...{ source: "caller", payer, lane, permit, price: 1n, deployment: "bafytest", deposit: null },
};
const PRINT = new Uint8Array([1]);

const keyOf = (text: string, bill = BILL) =>
  requestKey(new Headers({ "idempotency-key": text }), bill)!;

async function withAnswers(
  work: (open: () => ReturnType<typeof openIdempotency>, world: World) => Promise<void> | void,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const world: World = { charged: new Set(), now: 1_000_000_000 };
  try {
    const open = () =>
      openIdempotency({
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
  await withAnswers((open, world) => {
    const before = open();
    claimOf(before.take(keyOf("k"), PRINT)).store(answer(), 7);
    // The process dies here: the charge of reservation 7 never came, the restart released it.
    before.close();
    const after = open();
    assert.equal(after.isKnown(keyOf("k")), false);
    const claim = claimOf(after.take(keyOf("k"), PRINT));
    claim.store(answer(), 8);
    world.charged.add(8);
    claim.end();
    assert.deepEqual(after.take(keyOf("k"), PRINT), { stored: answer() });
    after.close();
  });
});

Deno.test("a key is a place of its own for each payer, lane and deployment", async () => {
  await withAnswers((open) => {
    const answers = open();
    const bills: Bill[] = [
      BILL,
      { ...BILL, payer: getAddress(`0x${"bb".repeat(20)}`) },
      { ...BILL, lane: `0x${"02".repeat(32)}` },
      { ...BILL, deployment: "bafyother" },
    ];
    for (const bill of bills) claimOf(answers.take(keyOf("k", bill), PRINT));
    const code = (print: Uint8Array) => {
      try {
        answers.take(keyOf("k"), print);
      } catch (error) {
        return (error as KhachapuriError).code;
      }
    };
    assert.equal(code(PRINT), "idempotency_conflict");
    assert.equal(code(new Uint8Array([2])), "idempotency_mismatch");
    answers.close();
  });
});

Deno.test("a claim that came to nothing frees the key, and its window ends", async () => {
  await withAnswers((open, world) => {
    const answers = open();
    claimOf(answers.take(keyOf("k"), PRINT)).end();
    const claim = claimOf(answers.take(keyOf("k"), PRINT));
    claim.store(answer(), 1);
    world.charged.add(1);
    claim.end();
    world.now += IDEMPOTENCY_WINDOW_MS;
    assert.ok("stored" in answers.take(keyOf("k"), PRINT));
    world.now += 1;
    claimOf(answers.take(keyOf("k"), PRINT));
    answers.close();
  });
});

Deno.test("a payer that fills its share loses bodies, never the word that it was charged", async () => {
  await withAnswers((open, world) => {
    const answers = open();
    const bytes = IDEMPOTENCY_PAYER_BYTES_MAX / 4;
    for (let n = 0; n < 5; n++) {
      world.now += 1;
      const claim = claimOf(answers.take(keyOf(`k${n}`), PRINT));
      claim.store(answer(bytes), n);
      world.charged.add(n);
      claim.end();
    }
    assert.throws(() => answers.take(keyOf("k0"), PRINT), {
      code: "idempotency_conflict",
      message: /answered and charged.*later ones took its place/,
    });
    assert.ok("stored" in answers.take(keyOf("k4"), PRINT));
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
    return fingerprintOf(new Request("http://a", { method, headers }), path, hash).join();
  };
  const prints = [
    of("POST", "/a", "text/plain", "0x1"),
    of("PUT", "/a", "text/plain", "0x1"),
    of("POST", "/a?b", "text/plain", "0x1"),
    of("POST", "/a", "text/html", "0x1"),
    of("POST", "/a", "text/plain", "0x2"),
  ];
  assert.equal(new Set(prints).size, prints.length);
  assert.equal(of("POST", "/a", "text/plain", "0x1"), prints[0]);
});
