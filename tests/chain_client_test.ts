import assert from "node:assert/strict";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { connect } from "../lib/chain/client.ts";
import { deposit, readAllowance, readBalance, withdraw } from "../lib/chain/escrow.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { escrowCall } from "../lib/chain/escrow_call.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { fund, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { deployUsdc, mintUsdc } from "../lib/chain/circle_usdc.ts";
import { startUsdcChain } from "../worlds/chain/usdc_chain.ts";

interface RpcCall {
  id: number;
  method: string;
}

/** A JSON-RPC endpoint between client and chain that may answer by itself. */
function startRpc(
  upstream: string,
  answer: (call: RpcCall, forward: () => Promise<Response>) => Promise<Response>,
) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await request.text();
      const headers = { "content-type": "application/json" };
      const forward = () => fetch(upstream, { method: "POST", body, headers });
      return await answer(JSON.parse(body), forward);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function hasCode(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof KhachapuriError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

Deno.test("connect() refuses another chain than expected, and what is no http URL", async () => {
  await using anvil = await startAnvil({ chainId: 4242 });
  assert.equal((await connect(anvil.url, { expectedChainId: 4242 })).chainId, 4242);
  const wrong = connect(anvil.url, { expectedChainId: 8453 });
  await assert.rejects(wrong, hasCode("invalid_config", /is chain 4242, expected 8453/));
  await assert.rejects(connect("ws://127.0.0.1:1"), hasCode("invalid_config", /not an http/));
});

Deno.test("an absent, broken or silent chain is named without its API key", async () => {
  const broken = [
    () => Promise.resolve(new Response("no", { status: 502 })),
    () => Promise.resolve(new Response("<html>")),
    () =>
      Promise.resolve(
        Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32005, message: "limit" } }),
      ),
  ];
  for (const answer of broken) {
    await using rpc = startRpc("", answer);
    await assert.rejects(connect(`${rpc.url}/v2/secret-key`), (error: KhachapuriError) => {
      hasCode("chain_unavailable", /did not answer/)(error);
      assert.ok(!Deno.inspect(error).includes("secret-key"));
      return true;
    });
  }
  const { promise: never, resolve } = Promise.withResolvers<Response>();
  await using silent = startRpc("", () => never);
  const attempt = connect(silent.url, { timeoutMs: 50 });
  await assert.rejects(attempt, hasCode("chain_unavailable", /was silent for too long/));
  resolve(new Response());
  const closed = connect("http://127.0.0.1:1/secret-key");
  await assert.rejects(closed, (error: KhachapuriError) => {
    hasCode("chain_unavailable", /127.0.0.1:1 did not answer/)(error);
    assert.ok(!Deno.inspect(error).includes("secret-key"));
    return true;
  });
});

Deno.test("concurrent transactions of one account take consecutive nonces", async () => {
  await using world = await startUsdcChain();
  const { chain, usdc } = world;
  const owner = ACCOUNTS.deployer;
  const before = await chain.public.getTransactionCount({ address: owner.address });
  await Promise.all(
    Array.from({ length: 25 }, () => world.mint(owner, 2n)),
  );
  assert.equal(await readUsdcBalance(chain, usdc, owner.address), 50n);
  const after = await chain.public.getTransactionCount({ address: owner.address });
  assert.equal(after - before, 25);
});

Deno.test("a broadcast whose answer got lost is repeated and mined once", async () => {
  await using world = await startUsdcChain();
  const owner = ACCOUNTS.deployer;
  let lost = 0;
  await using rpc = startRpc(world.rpc, async ({ method }, forward) => {
    const response = await forward();
    if (method !== "eth_sendRawTransaction" || lost > 1) return response;
    await response.body?.cancel();
    lost++;
    return new Response("gateway timeout", { status: 504 });
  });
  const chain = await connect(rpc.url);
  await deployUsdc(chain, owner);
  assert.equal(lost, 2);
  const { chain: direct, usdc } = world;
  const before = await direct.public.getTransactionCount({ address: owner.address });
  lost = 0;
  await mintUsdc(chain, owner, usdc, owner.address, 3n);
  assert.equal(lost, 2);
  assert.equal(await readUsdcBalance(direct, usdc, owner.address), 3n);
  assert.equal(await direct.public.getTransactionCount({ address: owner.address }), before + 1);
});

Deno.test("a transaction not mined in time is named, so that nobody sends it twice", async () => {
  await using world = await startUsdcChain();
  const { usdc } = world;
  const owner = ACCOUNTS.deployer;
  await using rpc = startRpc(world.rpc, async ({ id, method }, forward) => {
    if (method !== "eth_getTransactionReceipt") return await forward();
    return Response.json({ jsonrpc: "2.0", id, result: null });
  });
  const chain = await connect(rpc.url, { receiptTimeoutMs: 30 });
  await assert.rejects(mintUsdc(chain, owner, usdc, owner.address, 1n), (error) => {
    hasCode("chain_unavailable", /not mined within 30 ms \(transaction 0x[0-9a-f]{64}\)/)(error);
    assert.match(String((error as KhachapuriError).data["transaction"]), /^0x[0-9a-f]{64}$/);
    return true;
  });
});

Deno.test("what was simulated well and reverted when mined says why", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { payer } } = world;
  await deposit(chain, payer, escrow, usdc, 1_000_000n);
  // Both are simulated before either is mined.
  let waiting = 2;
  const both = Promise.withResolvers<void>();
  await using rpc = startRpc(world.rpc, async ({ method }, forward) => {
    const response = await forward();
    if (method === "eth_estimateGas" && --waiting === 0) both.resolve();
    if (method === "eth_estimateGas") await both.promise;
    return response;
  });
  const racing = await connect(rpc.url);
  const results = await Promise.allSettled(
    [1, 2].map(() => withdraw(racing, payer, escrow, 1_000_000n, payer.address)),
  );
  const failures = results.filter((result) => result.status === "rejected");
  assert.equal(failures.length, 1);
  hasCode("chain_refused", /InsufficientBalance: you have 0 USDC free, need 1/)(
    failures[0]?.reason,
  );
  assert.equal(await readBalance(chain, escrow, payer.address), 0n);
});

Deno.test("an account without ETH is told so", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc } = world;
  const poor = privateKeyToAccount(generatePrivateKey());
  await world.mint(poor, 5n);
  const attempt = deposit(chain, poor, escrow, usdc, 5n);
  await assert.rejects(
    attempt,
    hasCode("chain_refused", /^0x[0-9a-fA-F]{40} has too little ETH for the gas/),
  );
});

Deno.test("connect() takes a list, of which one may be down, but none stand twice", async () => {
  await using anvil = await startAnvil({ chainId: 4242 });
  const down = "http://127.0.0.1:1/secret-key";
  const chain = await connect([down, anvil.url]);
  assert.equal(chain.chainId, 4242);
  assert.deepEqual(chain.endpoints().map(({ origin, state }) => [origin, state]), [
    ["http://127.0.0.1:1", "resting"],
    [anvil.url, "up"],
  ]);
  assert.doesNotMatch(JSON.stringify(chain.endpoints()), /secret/);
  await assert.rejects(connect([]), hasCode("invalid_config", /not an http/));
  await assert.rejects(
    connect([anvil.url, `${anvil.url}/`]),
    hasCode("invalid_config", /listed twice/),
  );
  await assert.rejects(connect([down, `${down}2`]), hasCode("chain_unavailable", /did not answer/));
});

Deno.test("an allowance that one of two endpoints makes up is never told", async () => {
  await using world = await startEscrowChain();
  const { escrow, accounts: { payer, provider } } = world;
  await fund(world, payer, 1_000n);
  let isLying = false;
  await using liar = startRpc(world.rpc, async ({ method }, forward) => {
    const response = await forward();
    if (method !== "eth_call" || !isLying) return response;
    const { result, ...rest } = await response.json();
    return Response.json({ ...rest, result: result.replace("3e8", "fff") });
  });
  const chain = await connect([liar.url, world.rpc]);
  const parties = [payer.address, provider.address] as const;
  assert.equal((await readAllowance(chain, escrow, ...parties)).credits, 1_000n);
  isLying = true;
  const named = new RegExp(`endpoints ${liar.url} and ${world.rpc} disagree on eth_call`);
  await assert.rejects(
    readAllowance(chain, escrow, ...parties),
    hasCode("chain_unavailable", named),
  );
  const many = chain.readMany([escrowCall(escrow, "allowance", [...parties])]);
  await assert.rejects(many, hasCode("chain_unavailable", /disagree on/));
  assert.deepEqual(chain.endpoints().map(({ disagreements }) => disagreements), [2, 2]);
});
