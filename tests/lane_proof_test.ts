/**
 * A payer that lost what it knew, at a real provider: it goes on by proof however much is owed, and
 * by nobody's word. And one whose call is not answered: it signs one deposit, not two.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allow, deposit, readAllowance } from "../lib/chain/escrow.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { PAYMENT_REQUIRED_HEADER, toHeader } from "../lib/payment_header.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { nameProvider } from "../worlds/chain/escrow_chain.ts";
import { chainConfig, type Home, openHome } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const NAME = "paolo.khachapuri";
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50, amount: "100000000" };
/** Three of them are more than a provider's word is good for. */
const DEAR = 400_000n;

interface Server extends AsyncDisposable {
  readonly url: string;
}

function serve(handler: (request: Request) => Promise<Response>): Server {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Stands before the market's provider and rewrites what its 402s say of a lane. */
function rewriting(market: Market, change: (extra: Record<string, unknown>) => void): Server {
  return serve(async (request) => {
    const { pathname } = new URL(request.url);
    const { headers, method } = request;
    const answer = await fetch(market.provider.url + pathname, { headers, method });
    const changed = new Headers(answer.headers);
    const header = answer.headers.get(PAYMENT_REQUIRED_HEADER);
    if (header !== null) {
      const required = JSON.parse(atob(header));
      change(required.accepts[0].extra);
      changed.set(PAYMENT_REQUIRED_HEADER, toHeader(required));
    }
    return new Response(await answer.arrayBuffer(), { status: answer.status, headers: changed });
  });
}

/** Has the name lead to `webDomain`. */
async function nameIt(market: Market, webDomain: string): Promise<void> {
  const { recipient } = market;
  await nameProvider(market, NAME, { webDomain, recipients: [recipient], price: DEAR });
}

async function startDearMarket(): Promise<Market> {
  const market = await startMarket({ settings: { settlement: BATCH, price: String(DEAR) } });
  await nameIt(market, market.provider.url);
  return market;
}

/** The key of a payer who allows 100 credits. */
async function fundPayer({ chain, escrow, usdc, mint, accounts }: Market): Promise<Hex> {
  const key = generatePrivateKey();
  const account = privateKeyToAccount(key);
  await giveEther(chain, account.address);
  await mint(account, 100n * DEAR);
  await deposit(chain, account, escrow, usdc, 100n * DEAR);
  const provider = accounts.provider.address;
  await allow(chain, account, escrow, { provider, pricePerCredit: DEAR, credits: 100n });
  return key;
}

Deno.test("a payer that lost its home goes on by proof, and by no word beyond it", async (t) => {
  await using market = await startDearMarket();
  const cid = await market.deploy(HELLO);
  const key = await fundPayer(market);
  await using home = await openHome(chainConfig(market), { "keys.json": key });
  /** From a home that knows nothing. */
  const callAnew = async (...flags: string[]) => {
    await Deno.remove(join(home.dir, "permits.json")).catch(() => {});
    return await home.run("call", ...flags, "--pay", `${NAME}/${cid}`);
  };
  const known = async () => {
    const text = await Deno.readTextFile(join(home.dir, "permits.json"));
    return JSON.parse(text);
  };

  await t.step("however much is owed", async () => {
    for (let count = 1; count <= 5; count++) {
      const { code, out, err } = await callAnew();
      assert.deepEqual([code, out], [0, "hello\n"], err);
      const { lanes, believed } = await known();
      assert.equal(lanes[0].cumulative, String(count));
      // Once in an hour's seconds the second call's permit is the first one's.
      if (count !== 2) assert.equal(believed, undefined);
    }
  });

  await t.step("a count without proof is refused, and another lane is the way out", async () => {
    await using silent = rewriting(market, (extra) => delete extra.proof);
    await nameIt(market, silent.url);
    const { code, err } = await callAnew();
    assert.equal(code, 5);
    assert.match(err, /says that 5 credits were used on this lane, and 0 are known or proved/);
    assert.match(err, /--lane-label TEXT/);
    assert.equal((await callAnew("--lane-label", "other")).out, "hello\n");
  });

  await t.step("a false proof is named", async () => {
    await using lying = rewriting(market, ({ proof }) => {
      if (proof) (proof as { credits: string }).credits = "9";
    });
    await nameIt(market, lying.url);
    const { code, err } = await callAnew();
    assert.equal(code, 5);
    assert.match(err, /the provider's proof of what was used is false: it is no permit for lane/);
  });

  await t.step("also where the provider started anew in between", async () => {
    await market.restart();
    await nameIt(market, market.provider.url);
    assert.equal((await callAnew()).out, "hello\n");
  });

  await t.step("and for a header to paste", async () => {
    await Deno.remove(join(home.dir, "permits.json"));
    const { out, err } = await home.run("permit", NAME, "--credits", "1");
    const headers = { "PAYMENT-SIGNATURE": out.trim() };
    assert.equal(await (await market.call(cid, { headers })).text(), "hello\n", err);
  });
});

Deno.test("a provider that shows each permit as proof that it was used gets 1 USDC a day by it", async () => {
  await using market = await startDearMarket();
  const cid = await market.deploy(HELLO);
  await using home = await openHome(chainConfig(market), { "keys.json": await fundPayer(market) });
  let most = 0n;
  await using greedy = serve((request) => {
    const payment = JSON.parse(atob(request.headers.get("payment-signature")!));
    const { payer: _, provider: __, lane, ...proof } = payment.payload.permit;
    if (BigInt(proof.credits) > most) most = BigInt(proof.credits);
    const extra = { ...payment.accepted.extra, lane, cumulative: proof.credits, proof };
    const accepts = [{ ...payment.accepted, extra }];
    const required = toHeader({ x402Version: 2, accepts });
    return Promise.resolve(
      new Response("{}", { status: 402, headers: { [PAYMENT_REQUIRED_HEADER]: required } }),
    );
  });
  await nameIt(market, greedy.url);
  for (let calls = 1n; calls <= 3n; calls++) {
    const { code, err } = await home.run("call", "--pay", `${NAME}/${cid}`);
    assert.equal(code, 5);
    assert.match(err, /are its word alone/);
    // The call's own credit, and two of 0.4 USDC that were believed.
    assert.ok(most <= calls + 2n, `${most} credits signed for in ${calls} calls`);
  }
});

Deno.test("a call that is repeated sends one deposit, which is mined once", async () => {
  await using market = await startDearMarket();
  const cid = await market.deploy(HELLO);
  const key = generatePrivateKey();
  const { address } = privateKeyToAccount(key);
  await market.mint(privateKeyToAccount(key), 10_000_000n);
  await using payer: Home = await openHome(chainConfig(market), { "keys.json": key });
  const deposits: string[] = [];
  await using deaf = serve((request) => {
    const header = request.headers.get("payment-signature");
    // What it is asked without a payment is no call.
    if (header !== null) deposits.push(JSON.parse(atob(header)).payload.deposit.signature);
    return Promise.resolve(new Response("busy", { status: 503 }));
  });
  await nameIt(market, deaf.url);
  const call = (amount: string) => payer.run("call", "--deposit", amount, `${NAME}/${cid}`);
  for (const _ of [1, 2]) await call("2");
  assert.equal(deposits.length, 2);
  assert.equal(new Set(deposits).size, 1);
  const other = await call("4");
  assert.equal(other.code, 5);
  assert.match(other.err, /a deposit of 2 USDC for 5 credits at 0\.4 USDC is signed/);
  const onboard = await payer.run("onboard", NAME, "--amount", "4");
  // Whoever does not say what it relays is sent nothing.
  assert.equal(onboard.code, 7);
  assert.equal(deposits.length, 2);

  await nameIt(market, market.provider.url);
  for (const _ of [1, 2, 3, 4, 5]) {
    const { out, err } = await call("2");
    assert.equal(out, "hello\n", err);
  }
  const { chain, escrow, usdc, accounts: { provider } } = market;
  assert.equal((await readAllowance(chain, escrow, address, provider.address)).credits, 5n);
  const wallet = await readUsdcBalance(chain, usdc, address);
  assert.equal(wallet, 8_000_000n, "one of them was mined");
  const book = JSON.parse(await Deno.readTextFile(join(payer.dir, "permits.json")));
  assert.equal(book.deposits[0].deposit.signature, deposits[0]);
});
