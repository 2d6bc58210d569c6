/** What a caller that pays itself is owed: its count, one charge under a key, a receipt. */
import assert from "node:assert/strict";
import { NEVER, setOperator, wasOperator } from "../lib/chain/escrow_provider.ts";
import { createHash } from "node:crypto";
import type { Hex, LocalAccount } from "viem";
import { proofOf } from "../lib/lane_count.ts";
import { decodePaymentHeader, decodePaymentRequired } from "../lib/payment_header.ts";
import { deploymentLane, UINT128_MAX } from "../lib/permit.ts";
import { receiptFromJson, recoverReceiptSigner } from "../lib/receipt.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const ECHO = { files: { main: "#!/bin/sh\nprintf 'ran '; cat\n" } };
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

const sha256 = (data: string | Uint8Array): Hex =>
  `0x${createHash("sha256").update(data).digest("hex")}`;

function charges(market: Market, payer: LocalAccount): number {
  return market.entries({ payer: payer.address }).filter(({ kind }) => kind === "charge").length;
}

Deno.test("a caller that lost its count gets it back with a 402", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer, stranger, owner } = market.accounts;
  const spec = await market.spec(HELLO);
  const cid = await market.publishSpec(spec);
  const used = await market.pay(payer, { credits: 2n });
  for (const _ of [1, 2]) await (await market.call(cid, { headers: used })).text();

  await t.step("an exhausted permit is proof enough", async () => {
    const response = await market.call(cid, { headers: used });
    assert.equal(response.status, 402);
    const { offers } = decodePaymentRequired(response.headers.get("payment-required")!);
    const { permit } = decodePaymentHeader(used["PAYMENT-SIGNATURE"]!);
    assert.deepEqual(offers[0]!.lane, { id: permit.lane, cumulative: 2n, proof: proofOf(permit) });
    const { lane, cumulative, proof } = await response.json();
    assert.deepEqual([lane, cumulative], [permit.lane, "2"]);
    assert.deepEqual([proof.credits, proof.signature], ["2", permit.signature]);
    const asked = await fetch(`${market.provider.url}/lane`, { headers: used });
    const count = { lane, cumulative, proof, unsettled: "2" };
    assert.deepEqual(await asked.json(), { payer: payer.address, ...count });
    const next = await market.call(cid, { headers: await market.pay(payer, { credits: 3n }) });
    assert.equal(await next.text(), "hello\n");
  });

  await t.step("one that has credits left is kept", async () => {
    const rich = await market.pay(payer, { credits: 9n });
    await (await market.call(cid, { headers: rich })).text();
    const response = await market.call(cid, { headers: used });
    const { signature } = decodePaymentHeader(rich["PAYMENT-SIGNATURE"]!).permit;
    const shown = await response.text() + atob(response.headers.get("payment-required")!);
    assert.ok(!shown.includes(signature), "a permit with credits was sent back");
  });

  await t.step("a forged one is not", async () => {
    const forged = await market.pay(stranger, { payer: payer.address, credits: 2n });
    const response = await market.call(cid, { headers: forged });
    assert.equal(response.status, 402);
    const { offers } = decodePaymentRequired(response.headers.get("payment-required")!);
    assert.equal(offers[0]!.lane, undefined);
    assert.equal((await response.json()).cumulative, undefined);
  });

  await t.step("the owner's permit pays for no call of anybody's", async () => {
    const lane = deploymentLane(spec.id);
    await (await market.call(cid)).text();
    const before = charges(market, owner);
    for (const credits of [UINT128_MAX, 50n]) {
      // As another provider of the deployment reads it in the spec.
      const stolen = await market.pay(owner, { lane, credits });
      for (const path of [cid, "lane"]) {
        const response = await market.call(path, { headers: stolen });
        assert.equal(response.status, 402);
        const { message, cumulative } = await response.json();
        assert.match(message, /a deployment's permit/);
        assert.equal(cumulative, undefined);
      }
    }
    assert.equal(charges(market, owner), before);
  });
});

Deno.test("a key is charged once and answered as often as it is asked", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer } = market.accounts;
  const echo = await market.deploy(ECHO);
  const send = async (cid: string, key: string, init: RequestInit = {}, credits = 100n) => {
    const headers = { ...await market.pay(payer, { credits }), "idempotency-key": key };
    return await market.call(cid, { method: "POST", body: "data", ...init, headers });
  };
  const costs = async (credits: number, work: () => Promise<unknown>) => {
    const before = charges(market, payer);
    await work();
    assert.equal(charges(market, payer) - before, credits);
  };

  await t.step("the same request gets the stored answer", async () => {
    await costs(1, async () => {
      const first = await send(echo, '"one"', {}, 1n);
      assert.equal(await first.text(), "ran data");
      assert.equal(first.headers.get("idempotency-replayed"), null);
      // With a permit that is used up, as a client that repeats a request byte for byte has.
      const again = await send(echo, "one", {}, 1n);
      assert.equal(await again.text(), "ran data");
      assert.equal(again.headers.get("idempotency-replayed"), "true");
      const names = ["payment-response", "khachapuri-receipt", "content-security-policy"];
      for (const name of names) assert.equal(again.headers.get(name), first.headers.get(name));
    });
  });

  await t.step("another request under it is refused", async () => {
    await costs(0, async () => {
      for (const change of [{ body: "other" }, { method: "PUT" }]) {
        const response = await send(echo, "one", change);
        assert.equal(response.status, 422);
        assert.equal((await response.json()).error, "idempotency_mismatch");
      }
    });
  });

  await t.step("nobody but the payer gets it", async () => {
    const forged = await market.pay(market.accounts.stranger, { payer: payer.address });
    const headers = { ...forged, "idempotency-key": "one" };
    const response = await market.call(echo, { method: "POST", body: "data", headers });
    assert.equal(response.status, 402);
    await response.body?.cancel();
  });

  await t.step("it survives a restart", async () => {
    await costs(0, async () => {
      await market.restart();
      assert.equal(await (await send(echo, "one")).text(), "ran data");
    });
  });

  await t.step("while the first runs the second waits outside", async () => {
    const slow = await market.deploy({
      files: { main: "#!/bin/sh\nprintf la; sleep 0.5; echo te\n" },
    });
    await costs(1, async () => {
      // It has answered when the program has begun to.
      const first = await send(slow, "two");
      const second = await send(slow, "two");
      assert.equal(second.status, 409);
      assert.equal((await second.json()).error, "idempotency_conflict");
      assert.equal(await first.text(), "late\n");
    });
  });

  await t.step("a caller that went away comes back for its answer", async () => {
    const slow = await market.deploy({
      files: { main: "#!/bin/sh\nprintf fou; sleep 0.3; echo nd\n" },
    });
    await costs(1, async () => {
      const gone = new AbortController();
      const ended = market.logged("run ended");
      // It has answered when the program has begun to.
      const first = await send(slow, "three", { signal: gone.signal });
      gone.abort();
      await first.text().catch(() => {});
      await ended;
      // By then the answer is on the books.
      await market.restart();
      const again = await send(slow, "three");
      assert.equal(await again.text(), "found\n");
      assert.equal(again.headers.get("idempotency-replayed"), "true");
    });
  });

  await t.step("an answer too large to keep is charged once, and said so", async () => {
    const large = await market.deploy({
      files: { main: "#!/bin/sh\nhead -c 1100000 /dev/zero\n" },
    });
    await costs(1, async () => {
      assert.equal((await (await send(large, "four")).bytes()).length, 1_100_000);
      const again = await send(large, "four");
      assert.equal(again.status, 409);
      assert.match((await again.json()).message, /answered and charged.*larger than 1048576 bytes/);
    });
  });

  await t.step("a program's failure is its answer", async () => {
    const broken = await market.deploy({ files: { main: "#!/bin/sh\nexit 7\n" } });
    await costs(1, async () => {
      for (const _ of [1, 2]) {
        const response = await send(broken, "five");
        assert.equal(response.status, 502);
        assert.equal((await response.json()).error, "program_failed");
      }
    });
  });

  await t.step("what the provider broke off frees the key and costs nothing", async () => {
    const once = await market.deploy({
      files: { main: "#!/bin/sh\nprintf do; sleep 3; echo ne\n" },
    });
    await costs(1, async () => {
      const first = await send(once, "six");
      const cut = assert.rejects(first.text());
      await market.restart();
      await cut;
      assert.equal(await (await send(once, "six")).text(), "done\n");
    });
  });
});

Deno.test("a caller that hangs up before the program started pays nothing", async (t) => {
  let market: Market | null = null;
  let held = "";
  let gate = Promise.withResolvers<void>();
  let asked = Promise.withResolvers<void>();
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (r) => {
    const { pathname, search } = new URL(r.url);
    if (held !== "" && pathname.includes(held)) {
      asked.resolve();
      await gate.promise;
    }
    return await fetch(`${market!.gateway.url}${pathname}${search}`, { headers: r.headers });
  });
  try {
    market = await startMarket({
      settings: { settlement: BATCH },
      gateways: [`http://127.0.0.1:${proxy.addr.port}`],
    });
    const { payer } = market.accounts;
    const headers = await market.pay(payer);
    for (const waitsFor of ["spec", "program"]) {
      await t.step(`while the ${waitsFor} is fetched`, async () => {
        gate = Promise.withResolvers();
        asked = Promise.withResolvers();
        const spec = await market!.spec({ files: { main: `#!/bin/sh\necho ${waitsFor}\n` } });
        const cid = await market!.publishSpec(spec);
        held = waitsFor === "spec" ? cid : spec.program.cid.toString();
        const before = charges(market!, payer);
        const gone = new AbortController();
        const call = market!.call(cid, { headers, signal: gone.signal }).catch(() => null);
        await asked.promise;
        gone.abort();
        await call;
        gate.resolve();
        await market!.restart();
        assert.equal(charges(market!, payer), before);
        assert.equal(await (await market!.call(cid, { headers })).text(), `${waitsFor}\n`);
        assert.equal(charges(market!, payer), before + 1);
      });
    }
  } finally {
    gate.resolve();
    await market?.[Symbol.asyncDispose]();
    await proxy.shutdown();
  }
});

Deno.test("a receipt says what a credit bought, signed by a key that the escrow knows", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer, operator, provider } = market.accounts;
  const get = (path: string) => fetch(market.provider.url + path);
  const receiptOf = async (response: Response) => {
    const found = await get(response.headers.get("khachapuri-receipt")!);
    assert.equal(found.status, 200);
    return receiptFromJson(await found.json());
  };

  await t.step("for an answer", async () => {
    const cid = await market.deploy(ECHO);
    const headers = await market.pay(payer);
    const before = Date.now();
    const response = await market.call(cid, { method: "POST", body: "data", headers });
    assert.equal(response.headers.get("khachapuri-credits-left"), "999");
    const answer = await response.text();
    const receipt = await receiptOf(response);
    assert.equal(await recoverReceiptSigner(receipt), operator.address);
    const { signature: _, startedAt, durationMs, block, ...facts } = receipt;
    assert.deepEqual(facts, {
      version: 2,
      credits: 1,
      chainId: market.chain.chainId,
      escrow: market.escrow,
      payer: payer.address,
      provider: provider.address,
      operator: operator.address,
      lane: decodePaymentHeader(headers["PAYMENT-SIGNATURE"]!).permit.lane,
      cumulative: 1n,
      deployment: cid,
      requestHash: sha256("data"),
      responseHash: sha256(answer),
      price: PRICE,
      outcome: "answered",
    });
    assert.ok(startedAt >= BigInt(before) && startedAt <= BigInt(Date.now()));
    assert.ok(durationMs < 5_000n);
    const { chain, escrow } = market;
    assert.ok(block <= await chain.public.getBlockNumber({ cacheTime: 0 }));
    const dismissed = { expiry: 0n, dailyCap: 0n };
    await setOperator(chain, provider, escrow, operator.address, dismissed);
    const asked = [chain, escrow, provider.address, operator.address] as const;
    assert.equal(await wasOperator(...asked, block), true, "it was one when it signed");
    assert.equal(
      await wasOperator(...asked, await chain.public.getBlockNumber({ cacheTime: 0 })),
      false,
    );
    await setOperator(chain, provider, escrow, operator.address, { expiry: NEVER, dailyCap: 0n });
  });

  await t.step("also when the program does not read what it is sent, or fails", async () => {
    const deaf = await market.deploy({ files: { main: "#!/bin/sh\nexit 9\n" } });
    const body = "x".repeat(300_000);
    const headers = await market.pay(payer);
    const response = await market.call(deaf, { method: "POST", body, headers });
    assert.equal(response.status, 502);
    const receipt = await receiptOf(response.clone());
    assert.equal(receipt.requestHash, sha256(body));
    assert.equal(receipt.responseHash, sha256(await response.bytes()));
    assert.deepEqual([receipt.outcome, receipt.cumulative], ["failed", 2n]);
  });

  await t.step("for a head, which has no body", async () => {
    const cid = await market.deploy(HELLO);
    const headers = await market.pay(payer);
    const receipt = await receiptOf(await market.call(cid, { method: "HEAD", headers }));
    assert.deepEqual([receipt.requestHash, receipt.responseHash], [sha256(""), sha256("")]);
  });

  await t.step("not for an owner-paid call, nor at an address that was never given", async () => {
    const cid = await market.deploy(HELLO);
    const response = await market.call(cid);
    await response.text();
    assert.equal(response.headers.get("khachapuri-receipt"), null);
    assert.equal(response.headers.get("khachapuri-credits-left"), null);
    for (const id of ["", "x", "AAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAA"]) {
      const missing = await get(`/receipts/${id}`);
      assert.equal(missing.status, 404, id);
      await missing.body?.cancel();
    }
  });

  await t.step("a program cannot print one", async () => {
    const forger = await market.deploy({
      files: {
        main: "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\nKhachapuri-Receipt: /receipts/x\\r\\n" +
          "Idempotency-Replayed: true\\r\\n\\r\\n'\n",
      },
    });
    const response = await market.call(forger);
    await response.text();
    assert.equal(response.headers.get("khachapuri-receipt"), null);
    assert.equal(response.headers.get("idempotency-replayed"), null);
  });
});
