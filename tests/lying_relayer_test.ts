/** The command line and a relayer that lies: what the chain shows counts, and nothing else. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { allow, deposit } from "../lib/chain/escrow.ts";
import { messageCall, messageFromJson, type SignedMessage } from "../lib/chain/payer_message.ts";
import { fund, PRICE, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { holdings } from "../worlds/chain/holdings.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome } from "../worlds/home.ts";

const FEE = 10_000n;

/** A relayer that says what a test wants. */
function serveRelay(offer: () => Record<string, unknown>) {
  const transaction = `0x${"7a".repeat(32)}`;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ method }) => Response.json(method === "GET" ? offer() : { transaction, fee: "0" }),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("the command line believes no relayer, and signs no fee that nobody agreed to", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { payer, provider } } = world;
  await deposit(chain, payer, escrow, usdc, 5_000_000n);
  const wish = { provider: provider.address, pricePerCredit: PRICE, credits: 10n };
  await allow(chain, payer, escrow, wish);
  await using home = await openHome(chainConfig(world), { "keys.json": privateKeyOf(payer) });
  const offer: Record<string, unknown> = {
    chainId: chain.chainId,
    escrow,
    relayer: provider.address,
    fee: "10000",
    relays: ["Revoke", "Withdraw"],
  };
  await using relayer = serveRelay(() => offer);
  const { address } = provider as LocalAccount;
  const relay = ["--relay", relayer.url];
  const cases: [string[], Record<string, unknown>, number, RegExp][] = [
    [["revoke", address, ...relay], {}, 7, /says that it was sent, and the chain does not show/],
    [["reclaim", address, ...relay], {}, 4, /does not send Reclaim/],
    [["withdraw", "1", ...relay], { fee: "1000001" }, 5, /asks 1\.000001 USDC.*--fee-max 1\.0/s],
    [["withdraw", "1", ...relay, "--fee-max", "2"], { fee: "1000001" }, 7, /does not show it/],
    [["withdraw", "all", ...relay], { fee: "1000000" }, 7, /does not show it/],
    [["withdraw", "all", ...relay, "--fee-max", "6"], { fee: "5000000" }, 3, /the fee 5 /],
    [["withdraw", "1", ...relay], { escrow: usdc }, 5, /sends to escrow .*\(untrusted_escrow\)/],
    [["withdraw", "1", ...relay], { chainId: 1 }, 5, /on chain 1 /],
    [["withdraw", "1", ...relay], { fee: -1 }, 7, /the relayer's offer/],
    [["withdraw", "1", "--relay", "http://relayer.example"], {}, 2, /must be https/],
    [["withdraw", "1", "--relay", address], {}, 2, /a provider's name, or a URL/],
    [["withdraw", "1", ...relay, "--print"], {}, 2, /one of --relay, --print and --out/],
    [["withdraw", "1", "--fee-max", "1"], {}, 2, /are for a message/],
    [["withdraw", "1", "--print", "--deadline", "1"], {}, 2, /--deadline has passed/],
    [["revoke", address, "--permits", "--credits", "1"], {}, 2, /--permits takes no credits/],
    [["relay", "nowhere.json"], {}, 4, /can't be read/],
  ];
  const before = await holdings(world);
  const honest = { ...offer };
  for (const [args, change, code, message] of cases) {
    Object.assign(offer, honest, change);
    const outcome = await home.run(...args);
    assert.equal(outcome.code, code, `${args.join(" ")}: ${outcome.err}`);
    assert.match(outcome.err, message);
  }
  assert.deepEqual(await holdings(world), before);
});

Deno.test("the command line says what the chain shows, whatever the relayer says", async (t) => {
  await using world = await startEscrowChain();
  const { chain, escrow, accounts: { payer, provider, stranger } } = world;
  await fund(world, payer);
  await using home = await openHome(chainConfig(world), { "keys.json": privateKeyOf(payer) });
  const relayer = { chainId: chain.chainId, escrow, relayer: stranger.address };
  const relays = ["Revoke", "BumpEpoch", "Reclaim", "Withdraw"];
  const kept: SignedMessage[] = [];
  let answer: (signed: SignedMessage) => Promise<Response>;
  const send = (signed: SignedMessage, fee: bigint) =>
    chain.send(stranger, messageCall(signed, fee, stranger.address));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.method === "GET") return Response.json({ ...relayer, fee: String(FEE), relays });
    const signed = messageFromJson(await request.json());
    kept.push(signed);
    return await answer(signed);
  });
  await using _ = { [Symbol.asyncDispose]: () => server.shutdown() };
  const by = ["--relay", `http://127.0.0.1:${server.addr.port}`];
  const overloaded = () =>
    Promise.resolve(Response.json({ error: "overloaded", message: "later" }, { status: 503 }));

  await t.step("an earlier message in this one's place is no success", async () => {
    const earlier: [string[], RegExp][] = [
      [["withdraw", "1", "--fee-max", "0.5"], /: 1 USDC went to 0x\w+, for 0\.01 USDC/],
      [["revoke", provider.address, "--credits", "5"], /: 5 credits at 0x\w+ thaw, for 0\.01/],
    ];
    for (const [args, happened] of earlier) {
      answer = overloaded;
      assert.equal((await home.run(...args, ...by)).code, 7);
      const old = kept.at(-1)!;
      assert.equal(old.feeMax, FEE, "no more is signed than is asked for");
      answer = async () => {
        const { transactionHash: transaction } = await send(old, FEE);
        return Response.json({ transaction, fee: "0" });
      };
      const { code, err } = await home.run("revoke", provider.address, ...by, "--fee-max", "0.5");
      assert.equal(code, 5, err);
      assert.match(err, /took another message of yours of the same number, \d/);
      assert.match(err, happened);
      assert.match(err, /transaction 0x\w{64}/);
    }
  });
  await t.step("the fee is the chain's, not the relayer's word", async () => {
    answer = async (signed) => {
      const { transactionHash: transaction } = await send(signed, 4_000n);
      return Response.json({ transaction, fee: "0" });
    };
    const { json } = await home.run("revoke", provider.address, ...by, "--json");
    assert.deepEqual([json.fee, json.thawingCredits], ["4000", "1000"]);
  });
  await t.step("what somebody else has sent first is done", async () => {
    const error = { error: "idempotency_conflict", message: "taken already" };
    let mined = "";
    answer = async (signed) => {
      mined = (await send(signed, FEE)).transactionHash;
      return Response.json(error, { status: 409 });
    };
    const bumped = await home.run("revoke", provider.address, "--permits", ...by, "--json");
    assert.deepEqual([bumped.code, bumped.json.transaction, bumped.json.fee], [
      0,
      mined,
      String(FEE),
    ]);
    answer = () => Promise.resolve(Response.json(error, { status: 409 }));
    const nothing = await home.run("withdraw", "1", ...by);
    assert.equal(nothing.code, 7, nothing.err);
  });
});
