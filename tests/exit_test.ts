/** The way out without ETH: what a payer signs, relayed by a provider or by anybody. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import {
  allow,
  readAllowance,
  readBalance,
  readConsumed,
  readNonce,
  revoke,
} from "../lib/chain/escrow.ts";
import {
  messageCall,
  type MessageMatter,
  messageToJson,
  type SignedMessage,
  signMessage,
} from "../lib/chain/payer_message.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import type { KhachapuriError } from "../lib/errors.ts";
import { passTime } from "../worlds/chain/anvil_calls.ts";
import {
  type EscrowChain,
  fund,
  nameProvider,
  PRICE,
  startEscrowChain,
  THAWING_SECONDS,
} from "../worlds/chain/escrow_chain.ts";
import { holdings } from "../worlds/chain/holdings.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const NAME = "paolo.khachapuri";
const FEE = 10_000n;
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
const SETTINGS = {
  /** Nothing settles by itself before a payer gives notice. */
  settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 },
  onboarding: { minimum: "100000" },
};

/** A home of somebody new, with USDC and no ETH. */
async function openFresh(market: Market, amount: bigint) {
  const key = generatePrivateKey();
  const account = privateKeyToAccount(key);
  await market.mint(account, amount);
  return { ...await openHome(chainConfig(market), { "keys.json": key }), account };
}

const post = (market: Market, body: unknown) =>
  fetch(`${market.provider.url}/relay`, { method: "POST", body: JSON.stringify(body) });

Deno.test("with USDC and no ETH a payer gets in, is served, and gets everything out", async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  await nameProvider(market, NAME, { webDomain: market.provider.url });
  const { chain, escrow, usdc, accounts: { provider, stranger } } = market;
  await using payer = await openFresh(market, 500_000n);
  const { account: { address }, run } = payer;
  const cid = await market.deploy(HELLO);
  let header = "";

  await t.step("in, with everything locked, and served", async () => {
    const { json } = await run("onboard", NAME, "--amount", "0.5", "--json");
    assert.equal(json.credits, "500");
    assert.equal(await readBalance(chain, escrow, address), 0n);
    header = (await run("permit", NAME, "--credits", "100")).out.trim();
    const answer = await market.call(cid, { headers: { "PAYMENT-SIGNATURE": header } });
    assert.equal(await answer.text(), "hello\n");
  });

  await t.step(
    "permits and credits taken back for nothing, as there is nothing to pay with",
    async () => {
      const relayed = ["--relay", NAME, "--json"];
      const permits = await run("revoke", NAME, "--permits", ...relayed);
      assert.deepEqual([permits.code, permits.json.fee, permits.json.epoch], [0, "0", 0]);
      const lane = clientLane(address);
      const standing = await run("allowance", NAME);
      assert.match(standing.out, /^permits +of epoch 0 are void from \d{4}-/m);
      // The notice has the provider settle what it served.
      while (await readConsumed(chain, escrow, address, provider.address, lane) === 0n);
      const credits = await run("revoke", NAME, ...relayed);
      assert.deepEqual([credits.json.fee, credits.json.thawingCredits], ["0", "499"]);
      const again = await run("revoke", NAME, ...relayed);
      assert.equal(again.code, 5, "a gift is given once");
      assert.match(again.json.message, /InsufficientBalance: you have 0 USDC free, need 0\.01/);
    },
  );

  await t.step("nothing comes back before its time", async () => {
    const early = await run("reclaim", NAME, "--relay", NAME);
    assert.deepEqual([early.code, /StillThawing/.test(early.err)], [5, true]);
    await passTime(chain, THAWING_SECONDS + 1n);
    const answer = await market.call(cid, { headers: { "PAYMENT-SIGNATURE": header } });
    assert.equal(answer.status, 402);
    await answer.body?.cancel();
  });

  await t.step("reclaimed by a URL, and withdrawn to the last unit, for a fee each", async () => {
    const reclaimed = await run("reclaim", NAME, "--relay", market.provider.url, "--json");
    assert.deepEqual([reclaimed.json.fee, reclaimed.json.free], ["10000", "489000"]);
    const to = ["--to", stranger.address];
    const low = await run("withdraw", "0.1", ...to, "--relay", NAME, "--fee-max", "0.009");
    assert.equal(low.code, 5);
    assert.match(low.err, /a message is relayed for 0\.01 USDC, this one allows 0\.009 \(payment_/);
    const withdrawn = await run("withdraw", "all", ...to, "--relay", NAME);
    assert.match(withdrawn.out, /withdrew 0\.479 USDC .*, free balance 0 USDC, for 0\.01 USDC$/m);
    assert.equal(await readUsdcBalance(chain, usdc, stranger.address), 479_000n);
    const left = await readAllowance(chain, escrow, address, provider.address);
    assert.deepEqual([left.credits, await readBalance(chain, escrow, address)], [0n, 0n]);
    // The fees are the provider's own: the operator only paid the gas.
    assert.equal(await readBalance(chain, escrow, provider.address), 2n * FEE);
    assert.equal(await readBalance(chain, escrow, market.accounts.operator.address), 0n);
    assert.equal(await chain.public.getBalance({ address }), 0n);
    assert.equal(await chain.public.getTransactionCount({ address }), 0);
  });
});

/** A payer with 1,000 credits, of which ten have thawed, and 49 USDC free; it signs as of now. */
async function openPayer(world: EscrowChain) {
  const { chain, escrow, accounts: { payer, provider } } = world;
  await fund(world, payer);
  await revoke(chain, payer, escrow, provider.address, 10n);
  await passTime(chain, THAWING_SECONDS + 1n);
  const sign = async (matter: MessageMatter, lifetime = 600n): Promise<SignedMessage> => {
    const { timestamp } = await chain.public.getBlock();
    return await signMessage(payer, { chainId: chain.chainId, escrow }, {
      ...matter,
      payer: payer.address,
      feeMax: FEE,
      nonce: await readNonce(chain, escrow, payer.address),
      deadline: timestamp + lifetime,
    });
  };
  return { sign };
}

type World = EscrowChain & Awaited<ReturnType<typeof openPayer>>;

/** Everything that a relayer could change of a message to its advantage or out of spite. */
function forgeriesOf(world: World, signed: SignedMessage): SignedMessage[] {
  const { address: thief } = world.accounts.stranger;
  const changes: Record<string, unknown>[] = [
    { payer: world.accounts.owner.address },
    { feeMax: signed.feeMax + 1n },
    { nonce: signed.nonce + 1n },
    { deadline: signed.deadline + 1n },
    ...("provider" in signed ? [{ provider: thief }] : []),
    ...("credits" in signed ? [{ credits: signed.credits - 1n }] : []),
    ...("to" in signed ? [{ to: thief }, { amount: signed.amount - 1n }] : []),
    ...(signed.type === "Revoke" || signed.type === "Withdraw"
      ? []
      : [{ type: signed.type === "Reclaim" ? "BumpEpoch" : "Reclaim" }]),
  ];
  return changes.map((change) => ({ ...signed, ...change }) as SignedMessage);
}

const reason = (name: RegExp) => (error: KhachapuriError) => {
  assert.equal(error.code, "chain_refused", error.message);
  assert.match(String(error.data["reason"]), name);
  return true;
};

/** In an order in which each can be done. */
function mattersOf({ accounts: { provider, owner } }: EscrowChain): MessageMatter[] {
  return [
    { type: "Reclaim", provider: provider.address },
    { type: "Revoke", provider: provider.address, credits: 100n },
    { type: "BumpEpoch", provider: provider.address },
    { type: "Withdraw", amount: 1_000_000n, to: owner.address },
  ];
}

Deno.test("whoever sends a message can redirect, raise, repeat or delay nothing", async (t) => {
  await using base = await startEscrowChain();
  const { chain, escrow, accounts: { payer, stranger } } = base;
  const world: World = { ...base, ...await openPayer(base) };
  const thief = stranger.address;
  const send = (signed: SignedMessage, fee = 0n, relayer: Address = thief) =>
    chain.send(stranger, messageCall(signed, fee, relayer));
  for (const matter of mattersOf(world)) {
    await t.step(matter.type, async () => {
      const signed = await world.sign(matter);
      const before = await holdings(world);
      for (const forged of forgeriesOf(world, signed)) {
        await assert.rejects(send(forged), reason(/^InvalidAuthorization$/));
      }
      await assert.rejects(send(signed, FEE + 1n), reason(/^FeeTooHigh$/));
      await assert.rejects(send(signed, FEE, escrow), reason(/^InvalidRecipient$/));
      assert.deepEqual(await holdings(world), before);

      const free = await readBalance(chain, escrow, thief);
      await send(signed, FEE);
      assert.equal(await readBalance(chain, escrow, thief), free + FEE);
      const after = await holdings(world);
      assert.notDeepEqual(after, before, "as it was signed it does something");
      await assert.rejects(send(signed), reason(/^InvalidAccountNonce$/));
      assert.deepEqual(await holdings(world), after);
    });
  }
  await t.step("and what is late never comes", async () => {
    const [, revoke, , withdraw] = mattersOf(world);
    for (const matter of [revoke!, withdraw!]) {
      const signed = await world.sign(matter, 100n);
      await passTime(chain, 101n);
      const before = await holdings(world);
      await assert.rejects(send(signed), reason(/^AuthorizationExpired$/));
      assert.deepEqual(await holdings(world), before);
      await send(await world.sign(matter, 100n));
    }
    assert.equal(await readNonce(chain, escrow, payer.address), 6n);
  });
});

Deno.test("a provider sends nothing that was changed, sent before or is late", async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const { chain, escrow, accounts: { payer, provider, operator } } = market;
  const world: World & Market = Object.assign(market, await openPayer(market));
  const gas = () => chain.public.getTransactionCount({ address: operator.address });
  const refuses = async (signed: SignedMessage, code: string, message: RegExp) => {
    const response = await post(market, messageToJson(signed));
    const said = await response.json();
    assert.equal(said.error, code, said.message);
    assert.match(said.message, message);
  };
  for (const matter of mattersOf(world)) {
    await t.step(matter.type, async () => {
      const signed = await world.sign(matter);
      const [before, sent] = [await holdings(world), await gas()];
      for (const forged of forgeriesOf(world, signed)) {
        await refuses(forged, "invalid_signature", /not signed by its payer/);
      }
      const { chainId } = chain;
      await refuses({ ...signed, chainId: chainId + 1 }, "invalid_input", /for chain 31338/);
      assert.deepEqual([await holdings(world), await gas()], [before, sent]);

      const free = await readBalance(chain, escrow, provider.address);
      const answers = await Promise.all([1, 2].map(() => post(market, messageToJson(signed))));
      const said = await Promise.all(answers.map((answer) => answer.json()));
      assert.deepEqual(said[0], said[1], "twice at once is once");
      assert.deepEqual([said[0].payer, said[0].fee], [payer.address, String(FEE)]);
      assert.equal(await readBalance(chain, escrow, provider.address), free + FEE);
      assert.equal(await gas(), sent + 1);
      await refuses(signed, "idempotency_conflict", /has taken message \d of 0x\w+ already/);
      assert.equal(await gas(), sent + 1);
    });
  }
  await t.step("another provider's payer is helped out for the fee", async () => {
    const { stranger } = market.accounts;
    const terms = { provider: stranger.address, pricePerCredit: PRICE, credits: 5n };
    await allow(chain, payer, escrow, terms);
    const matter = { type: "Revoke", provider: stranger.address, credits: 5n } as const;
    const response = await post(market, messageToJson(await world.sign(matter)));
    assert.equal((await response.json()).fee, String(FEE));
    const left = await readAllowance(chain, escrow, payer.address, stranger.address);
    assert.equal(left.thawingCredits, 5n);
  });
  await t.step("what is late, or does nothing, costs no gas either", async () => {
    const [reclaim, , bump, withdraw] = mattersOf(world);
    const sent = await gas();
    const late = await world.sign(withdraw!, 100n);
    await passTime(chain, 101n);
    await refuses(late, "chain_refused", /the message was good until/);
    await refuses(await world.sign(reclaim!), "chain_refused", /StillThawing/);
    await refuses(await world.sign(bump!), "chain_refused", /EpochPending/);
    const rich = { ...withdraw!, amount: 10n ** 12n } as MessageMatter;
    await refuses(await world.sign(rich), "chain_refused", /InsufficientBalance/);
    assert.equal(await gas(), sent);
  });
});

Deno.test("what one has signed anybody may send, by a file", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, accounts: { payer, provider, stranger } } = world;
  await fund(world, payer);
  const keys = { "payer.json": privateKeyOf(payer), "stranger.json": privateKeyOf(stranger) };
  await using home = await openHome(chainConfig(world), keys);
  const run = (who: string, command: string, ...args: string[]) =>
    home.run(command, "--keys", join(home.dir, `${who}.json`), ...args);
  const sends = () => chain.public.getTransactionCount({ address: payer.address });
  const before = await sends();
  const file = join(home.dir, "revoke.json");
  const [{ address }, free] = [provider, () => readBalance(chain, escrow, stranger.address)];

  const written = await run("payer", "revoke", address, "--out", file, "--fee-max", "0.02");
  assert.deepEqual([written.code, written.out], [
    0,
    `anybody may send it: khachapuri relay ${file}\n`,
  ]);
  assert.match((await run("payer", "revoke", address, "--out", file)).err, /can't be written/);
  const dear = await run("stranger", "relay", file, "--fee", "0.03");
  assert.deepEqual([dear.code, /FeeTooHigh/.test(dear.err)], [5, true]);
  const sent = await run("stranger", "relay", file, "--fee", "0.02");
  assert.match(sent.out, new RegExp(`^${payer.address} takes back all credits from ${address}`));
  assert.equal(await free(), 20_000n);
  const { thawingCredits } = await readAllowance(chain, escrow, payer.address, address);
  assert.equal(thawingCredits, 1_000n);
  assert.equal((await run("stranger", "relay", file)).code, 5);

  const printed = await run("payer", "withdraw", "all", "--print", "--json");
  await Deno.writeTextFile(file, printed.out);
  const named = await run("stranger", "relay", file, "--relayer", address, "--json");
  assert.deepEqual([named.json.type, named.json.relayer], ["Withdraw", address]);
  assert.equal(await readBalance(chain, escrow, payer.address), 0n);
  await Deno.writeTextFile(file, printed.out.replace(/"amount": "./, '"amount": "9'));
  assert.equal((await run("stranger", "relay", file)).code, 3);
  assert.equal(await sends(), before, "the payer sent nothing");
});
