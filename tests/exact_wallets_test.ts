/** Payers by x402's `exact` whose accounts are contracts: the token asks their code. */
import assert from "node:assert/strict";
import { type Address, concat, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import {
  burningWalletOf,
  delegateTo,
  deployCode,
  fickleWalletOf,
  OWN_WALLET,
  walletOf,
} from "../worlds/chain/smart_wallets.ts";
import { balanceOf, exactHeader, exactIn, settlementIn, signExact } from "../worlds/exact_payer.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const SETTINGS = { settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 } };
const PRICE = 10_000n;
const WALLET = 1_000_000n;
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
/** What ends a signature of a wallet that is not deployed (ERC-6492). */
const UNDEPLOYED: Hex = `0x${"6492".repeat(16)}`;

/** A key, and who holds money that it may spend. */
interface Holder {
  owner: ReturnType<typeof privateKeyToAccount>;
  wallet: Address;
}

async function holderWith(market: Market, codeOf: (owner: Address) => Hex): Promise<Holder> {
  const owner = privateKeyToAccount(generatePrivateKey());
  const wallet = await deployCode(market.chain, market.accounts.stranger, codeOf(owner.address));
  await market.mint({ address: wallet }, WALLET);
  return { owner, wallet };
}

/** Pays from the wallet by its owner's signature, or by `signatureOf` that. */
async function pay(
  url: string,
  { owner, wallet }: Holder,
  signatureOf: (signature: Hex) => Hex = (signature) => signature,
): Promise<Response> {
  const asked = await fetch(url);
  await asked.body?.cancel();
  const signed = await signExact(owner, exactIn(asked), { from: wallet });
  const signature = signatureOf(signed.signature);
  return await fetch(url, { headers: exactHeader({ ...signed, signature }) });
}

const deployed = async (market: Market) => `${market.provider.url}/${await market.deploy(HELLO)}`;
const earned = (market: Market) => balanceOf(market, market.accounts.provider.address);

async function assertPaid(market: Market, url: string, holder: Holder): Promise<void> {
  const before = await earned(market);
  const response = await pay(url, holder);
  assert.equal(await response.text(), "hello\n");
  assert.equal(settlementIn(response)?.payer, holder.wallet);
  assert.equal(await earned(market) - before, PRICE);
  assert.equal(await balanceOf(market, holder.wallet), WALLET - PRICE);
}

/** @returns the reason that x402 has a name for */
async function refusalOf(response: Response): Promise<string> {
  assert.equal(response.status, 402);
  const { hints } = await response.json();
  assert.ok(hints.includes("nothing was charged"), hints.join("; "));
  return JSON.parse(atob(response.headers.get("payment-required")!)).error;
}

Deno.test("smart wallets pay where their code takes the signature", async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const url = await deployed(market);

  await t.step("a contract's (ERC-1271)", async () => {
    await assertPaid(market, url, await holderWith(market, walletOf));
  });

  await t.step("an account's own that has delegated (EIP-7702)", async () => {
    const owner = privateKeyToAccount(generatePrivateKey());
    await giveEther(market.chain, owner.address);
    await market.mint(owner, WALLET);
    const code = await deployCode(market.chain, market.accounts.stranger, OWN_WALLET);
    await delegateTo(market, owner, code);
    assert.match(await market.chain.public.getCode(owner) ?? "", /^0xef0100/);
    await assertPaid(market, url, { owner, wallet: owner.address });
  });

  await t.step("not one that is signed for by another key", async () => {
    const { wallet } = await holderWith(market, walletOf);
    const owner = privateKeyToAccount(generatePrivateKey());
    const refused = await refusalOf(await pay(url, { owner, wallet }));
    assert.equal(refused, "invalid_exact_evm_signature");
    assert.equal(await balanceOf(market, wallet), WALLET);
  });

  await t.step("nor a key's own signature where its account's code says no", async () => {
    const owner = privateKeyToAccount(generatePrivateKey());
    await giveEther(market.chain, owner.address);
    await market.mint(owner, WALLET);
    const others = await deployCode(market.chain, market.accounts.stranger, walletOf(market.usdc));
    await delegateTo(market, owner, others);
    const refused = await refusalOf(await pay(url, { owner, wallet: owner.address }));
    assert.equal(refused, "invalid_exact_evm_signature");
  });
});

Deno.test("nothing is run for a wallet that will not pay", async (t) => {
  await using market = await startMarket({ settings: SETTINGS });
  const before = await earned(market);

  /** A deployment of its own: whether its program was fetched tells whether it was to be run. */
  async function tried(holder: Holder, signatureOf?: (signature: Hex) => Hex) {
    const mark = crypto.randomUUID();
    const program = { ...HELLO, files: { main: `#!/bin/sh\n# ${mark}\necho hello\n` } };
    const spec = await market.spec(program);
    const url = `${market.provider.url}/${await market.publishSpec(spec)}`;
    const response = await pay(url, holder, signatureOf);
    const { cid } = spec.program;
    const isFetched = market.gateway.requests.some(({ path }) => path.includes(cid));
    return { response, isFetched };
  }

  await t.step("one that is not deployed, by name", async () => {
    const owner = privateKeyToAccount(generatePrivateKey());
    const wallet = privateKeyToAccount(generatePrivateKey()).address;
    await market.mint({ address: wallet }, WALLET);
    const { response, isFetched } = await tried(
      { owner, wallet },
      (signature) => concat([wallet, signature, UNDEPLOYED]),
    );
    assert.equal(await refusalOf(response), "eip6492_factory_not_allowed");
    assert.equal(isFetched, false);
  });

  await t.step("one whose code burns gas", async () => {
    const holder = await holderWith(market, burningWalletOf);
    const { response, isFetched } = await tried(holder);
    const { message } = await response.clone().json();
    assert.match(message, /too much gas/);
    assert.equal(
      await refusalOf(response),
      "invalid_exact_evm_transaction_simulation_failed",
    );
    assert.equal(isFetched, false);
  });

  await t.step("and one that takes its word back is not answered", async () => {
    const holder = await holderWith(market, fickleWalletOf);
    const { response } = await tried(holder);
    const text = await response.text();
    assert.equal(response.status, 402, text);
    assert.doesNotMatch(text, /hello/);
    const settlement = settlementIn(response)!;
    assert.equal(settlement.success, false);
    assert.equal(settlement.payer, holder.wallet);
    assert.equal(settlement.transaction, "");
    assert.equal(await balanceOf(market, holder.wallet), WALLET);
  });

  await t.step("nor asked a second time: its failures cost the operator gas", async () => {
    const holder = await holderWith(market, fickleWalletOf);
    const { operator } = market.accounts;
    const nonce = () => market.chain.public.getTransactionCount(operator);
    await (await tried(holder)).response.body?.cancel();
    const [before, again] = [await nonce(), await tried(holder)];
    assert.equal(await refusalOf(again.response), "invalid_exact_evm_transaction_failed");
    assert.deepEqual([again.isFetched, await nonce()], [false, before]);
  });

  assert.equal(await earned(market), before);
});
