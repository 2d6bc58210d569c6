/**
 * What a stock client of x402, as it comes from npm, does at a provider on a chain with Circle's
 * own USDC. Nothing is set at the provider for any of them; what their users must set is in their
 * programs.
 */
import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { privateKeyOf } from "../../../worlds/chain/people.ts";
import { balanceOf } from "../../../worlds/exact_payer.ts";
import { freePort } from "../../../worlds/free_port.ts";
import { type Market, startMarket } from "../../../worlds/market.ts";
import { type Client, type Outcome, payBy, type Spender, textOf } from "./client.ts";

/** Of the chains that version 1 has a name for one where no escrow of ours is known. */
const CHAIN_ID = 43_113;
const PRICE = 10_000n;
const PAID = { access: "payer" };
const ECHO = {
  files: { main: '#!/bin/sh\nprintf "%s %s " "$REQUEST_METHOD" "$QUERY_STRING"; cat\n' },
};
const STREAM = { files: { main: "#!/bin/sh\necho first\nsleep 1\necho last\n" } };

/** Reached by the domain that it is configured with: some clients compare. */
async function startShop(): Promise<Market> {
  const place = `127.0.0.1:${freePort()}`;
  const settlement = { mode: "batch", intervalSeconds: 360, pollMs: 50, headSecondsMax: 3_600 };
  const settings = { listen: place, webDomain: `http://${place}`, settlement };
  return await startMarket({ chainId: CHAIN_ID, settings });
}

const earned = (market: Market) => balanceOf(market, market.accounts.provider.address);

function assertSettled({ settlement }: Outcome, payer: string, network: string): string {
  assert.ok(settlement);
  const { transaction, amount: _, ...told } = settlement;
  assert.match(String(transaction), /^0x[0-9a-f]{64}$/);
  assert.deepEqual(told, { success: true, network, payer });
  return String(transaction);
}

/** @param network what its settlements call the chain */
export async function shopWith(
  t: Deno.TestContext,
  client: Client,
  network = `eip155:${CHAIN_ID}`,
): Promise<void> {
  await using market = await startShop();
  const at = async (...[program]: Parameters<Market["deploy"]>) =>
    `${market.provider.url}/${await market.deploy(program)}`;
  const [paid, stream, open] = [
    await at({ ...ECHO, fields: PAID }),
    await at({ ...STREAM, fields: PAID }),
    await at(ECHO),
  ];
  const { payer } = market.accounts;
  const spender = (key: Spender["key"]): Spender => ({
    key,
    chainId: CHAIN_ID,
    asset: market.usdc,
    most: String(PRICE),
  });
  const before = await earned(market);
  const eight = [0, 1, 2, 3, 4, 5, 6, 7];
  const told = await payBy(client, spender(privateKeyOf(payer)), {
    posted: [{ url: paid, json: { who: "world" } }],
    got: [{ url: `${paid}/a?b=%2f&c=d%20e&f` }],
    eight: eight.map((n) => ({ url: paid, json: { n } })),
    streamed: [{ url: stream }],
    open: [{ url: `${open}?a` }],
  });
  const [posted, got, streamed, free] = [told.posted, told.got, told.streamed, told.open]
    .map(([outcome]) => outcome!) as [Outcome, Outcome, Outcome, Outcome];

  await t.step("a POST with a JSON body", () => {
    assert.deepEqual([posted.status, textOf(posted)], [200, 'POST  {"who":"world"}']);
    assertSettled(posted, payer.address, network);
  });
  await t.step("a GET with a query", () => {
    assert.deepEqual([got.status, textOf(got)], [200, "GET b=%2f&c=d%20e&f "]);
    assertSettled(got, payer.address, network);
  });
  await t.step("eight at once, each for itself", () => {
    const texts = told.eight.map(textOf);
    assert.deepEqual(texts, eight.map((n) => `POST  {"n":${n}}`));
    const moved = told.eight.map((one) => assertSettled(one, payer.address, network));
    assert.equal(new Set(moved).size, eight.length);
  });
  await t.step("an answer that streams, as it comes", () => {
    assert.deepEqual([streamed.status, textOf(streamed)], [200, "first\nlast\n"]);
    assert.deepEqual(streamed.parts, ["first\n", "last\n"]);
    assertSettled(streamed, payer.address, network);
  });
  await t.step("where the owner pays it does not", () => {
    assert.deepEqual([free.status, textOf(free), free.settlement], [200, "GET a ", null]);
  });
  await t.step("its payments came, each once", async () => {
    assert.equal(await earned(market) - before, 11n * PRICE);
  });
  await t.step("and is told why its payment is not taken", async () => {
    const poor = generatePrivateKey();
    const { refused: [refused] } = await payBy(client, spender(poor), {
      refused: [{ url: paid, json: {} }],
    });
    assert.equal(refused!.status, 402, refused!.error ?? "");
    const { message, hints } = JSON.parse(textOf(refused!));
    assert.equal(message, "the payer does not hold the amount");
    assert.ok(hints.includes("nothing was charged"));
    assert.equal(await balanceOf(market, privateKeyToAccount(poor).address), 0n);
  });
}
