/** What a payer's look costs and tells, on a real chain with Circle's own USDC. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { getAddress, type Hex, pad } from "viem";
import { usdcDomain } from "../../../chain/usdc.ts";
import type { ExactPayment } from "../../../exact_payment.ts";
import { silentLog } from "../../../log.ts";
import { TRANSFER_TYPES, type TransferAuthorization } from "../../../transfer_authorization.ts";
import { ask } from "../../../../worlds/chain/anvil_calls.ts";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { startUsdcChain } from "../../../../worlds/chain/usdc_chain.ts";
import { makeFolder } from "../../../../worlds/home.ts";
import { openOperator } from "../operator.ts";
import { openOutboxStore } from "../outbox_store.ts";
import { openExactChain } from "./exact_chain.ts";

const { payer, provider, operator: key } = ACCOUNTS;
/** Code that takes any signature (ERC-1271), once it has gone round so often: loops of 60 gas. */
const walletOf = (rounds: number): Hex =>
  `0x61${rounds.toString(16).padStart(4, "0")}5b6001900380600357631626ba7e60e01b5f5260205ff3`;

Deno.test("a look tells what the payer holds, and whether the token would take it", async (t) => {
  await using world = await startUsdcChain();
  await using folder = await makeFolder();
  const { chain, usdc } = world;
  await world.mint(payer, 500n);
  const operator = await openOperator({
    store: openOutboxStore(join(folder.dir, "operator.db")),
    chain,
    account: key,
    log: silentLog,
    onMined: async () => {},
  });
  const exact = openExactChain({ chain, usdc, operator, coinPrice: 0n });
  const sign = async (changes: Partial<TransferAuthorization> = {}): Promise<ExactPayment> => {
    const authorization: TransferAuthorization = {
      from: payer.address,
      to: provider.address,
      value: 10n,
      validAfter: 0n,
      validBefore: 1n << 200n,
      nonce: pad("0x1"),
      ...changes,
    };
    const signature = await payer.signTypedData({
      domain: { ...await usdcDomain(chain, usdc) },
      types: TRANSFER_TYPES,
      primaryType: "TransferWithAuthorization",
      message: { ...authorization },
    });
    return {
      x402Version: 2,
      chainId: chain.chainId,
      authorization,
      signature,
      accepted: null,
      identifier: null,
    };
  };

  await t.step("one that it would", async () => {
    const block = await chain.public.getBlockNumber({ cacheTime: 0 });
    const look = await exact.look(await sign());
    assert.equal(look.refusal, null);
    assert.equal(look.balance, 500n);
    assert.ok(look.block <= block && look.block + 8n >= block);
  });

  await t.step("one that it would not, by its own word", async () => {
    const { refusal, balance } = await exact.look(await sign({ value: 501n }));
    assert.equal(refusal!.reason, "invalid_exact_evm_insufficient_balance");
    assert.equal(balance, 500n);
  });

  await t.step("whose wallet has code is told", async () => {
    assert.equal(await exact.hasCode(payer.address), false);
    assert.equal(await exact.hasCode(usdc), true);
  });

  await t.step("a wallet that takes too much gas is none that is paid for", async () => {
    const reasons = [];
    for (const rounds of [1, 9_000]) {
      const wallet = getAddress(pad("0x3a11e7", { size: 20 }));
      await ask(chain, "anvil_setCode", wallet, walletOf(rounds));
      await world.mint({ address: wallet }, 10n);
      const { refusal } = await exact.look({ ...await sign({ from: wallet }), signature: "0x51" });
      reasons.push(refusal?.message ?? null);
    }
    assert.equal(reasons[0], null);
    assert.match(reasons[1]!, /too much gas/);
  });

  await t.step("an endpoint that is gone tells nothing", async () => {
    const one = await sign();
    await world.stopChain();
    await assert.rejects(exact.look(one), { code: "chain_unavailable" });
    await assert.rejects(exact.hasCode(usdc), { code: "chain_unavailable" });
  });
  await operator.close();
});
