import assert from "node:assert/strict";
import { allowanceOf } from "../../worlds/chain/escrow_answers.ts";
import { isAllowed, repricedAllowance } from "./reprice.ts";

const PAOLO = { name: "paolo.test", price: 2_000n, credits: null };
const held = { ...allowanceOf(10n), pricePerCredit: 1_000n };

Deno.test("the credits that are there are kept, at the present price", () => {
  assert.deepEqual(repricedAllowance(held, PAOLO), { credits: 10n, pricePerCredit: 2_000n });
  const more = repricedAllowance(held, { ...PAOLO, credits: 50n });
  assert.deepEqual(more, { credits: 50n, pricePerCredit: 2_000n });
});

Deno.test("a price that is allowed already is not lowered, which the escrow would refuse", () => {
  const dear = { ...held, pricePerCredit: 3_000n };
  assert.equal(repricedAllowance(dear, PAOLO).pricePerCredit, 3_000n);
  const none = { ...dear, credits: 0n };
  assert.equal(repricedAllowance(none, { ...PAOLO, credits: 5n }).pricePerCredit, 2_000n);
});

Deno.test("how many credits is not guessed where there are none, or some are on their way back", () => {
  const usage = { code: "usage", message: /say how many credits to have left/ };
  assert.throws(() => repricedAllowance({ ...held, credits: 0n }, PAOLO), usage);
  assert.throws(() => repricedAllowance({ ...held, thawingCredits: 1n }, PAOLO), usage);
});

Deno.test("what is allowed already as it is wanted needs no transaction", () => {
  const wanted = { credits: 10n, pricePerCredit: 1_000n };
  assert.ok(isAllowed(held, wanted));
  assert.ok(!isAllowed(held, { ...wanted, credits: 11n }));
  assert.ok(!isAllowed(held, { ...wanted, pricePerCredit: 1_001n }));
  assert.ok(!isAllowed({ ...held, thawingCredits: 1n }, wanted));
});
