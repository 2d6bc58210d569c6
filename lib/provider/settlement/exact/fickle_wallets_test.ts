import assert from "node:assert/strict";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { FICKLE_WALLET_MS } from "../../../limits_of_exact.ts";
import { FickleWallets } from "./fickle_wallets.ts";

Deno.test("a wallet that took its word back is shunned for a day, and no other", () => {
  let now = 1_000;
  const wallets = new FickleWallets(() => now);
  const [{ address: fickle }, { address: other }] = [ACCOUNTS.payer, ACCOUNTS.owner];
  assert.equal(wallets.isShunned(fickle), false);
  wallets.note(fickle);
  assert.equal(wallets.isShunned(fickle), true);
  assert.equal(wallets.isShunned(other), false);
  now += FICKLE_WALLET_MS - 1;
  assert.equal(wallets.isShunned(fickle), true);
  now += 1;
  assert.equal(wallets.isShunned(fickle), false);
});
