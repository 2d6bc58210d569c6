/** Paying by commands: permits that advance by themselves, receipts, the provider's book. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allow, deposit, readConsumed } from "../lib/chain/escrow.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { offerToJson, paymentRequired, toHeader } from "../lib/payment_header.ts";
import { startProvider } from "../lib/provider/door/serve.ts";
import { silentLog } from "../lib/log.ts";
import { receiptFromJson, receiptToJson, signReceipt } from "../lib/receipt.ts";
import { giveEther, mine } from "../worlds/chain/anvil_calls.ts";
import { nameProvider, PRICE } from "../worlds/chain/escrow_chain.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { startRecorder } from "../worlds/http_recorder.ts";
import { chainConfig, openHome, runIn } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";

const NAME = "paolo.khachapuri";
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { access: "payer" } };
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

/** Answers /a by a redirect within the deployment, /out by one beyond it, the rest by its path. */
const redirects = (origin: string) =>
  `#!/bin/sh
case "$PATH_INFO" in
/a) printf 'HTTP/1.1 302 Found\\nLocation: b\\n\\n' ;;
/out) printf 'HTTP/1.1 302 Found\\nLocation: ${origin}/seen\\n\\n' ;;
*) echo "$PATH_INFO" ;;
esac
`;

/** Names the market's provider, where it listens now. */
async function nameIt(market: Market, webDomain = market.provider.url): Promise<void> {
  await nameProvider(market, NAME, { webDomain, recipients: [market.recipient] });
}

/** A payer's own home, with its key. */
const openPayer = (market: Market, key: Hex) => openHome(chainConfig(market), { "keys.json": key });

Deno.test("call pays, keeps its count, and finds it again when it was lost", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  await nameIt(market);
  await using payer = await openPayer(market, privateKeyOf(market.accounts.payer));
  const cid = await market.deploy(HELLO);
  const book = join(payer.dir, "permits.json");
  const count = async () => JSON.parse(await Deno.readTextFile(book)).lanes[0].cumulative;
  const call = async () => {
    const { code, out, err } = await payer.run("call", "--pay", `${NAME}/${cid}`);
    assert.deepEqual([code, out], [0, "hello\n"], err);
  };

  await t.step("one credit after the other, unsettled", async () => {
    for (const _ of [1, 2, 3]) await call();
    assert.equal(await count(), "3");
    const { chain, escrow, accounts: { provider, payer: { address } } } = market;
    const lane = clientLane(address);
    const consumed = await readConsumed(chain, escrow, address, provider.address, lane);
    assert.equal(consumed, 0n);
  });

  await t.step("without its file it asks", async () => {
    await Deno.remove(book);
    await call();
    assert.equal(await count(), "4");
  });

  await t.step("it says where the time went, when that is asked", async () => {
    const { code, out, err } = await payer.run("call", "--timing", `${NAME}/${cid}`);
    assert.deepEqual([code, out], [0, "hello\n"], err);
    assert.match(
      err,
      /^time: queue [0-9.]+ ms, fetch [0-9.]+ ms, start [0-9.]+ ms, run [0-9.]+ ms/m,
    );
    const refused = await payer.run("call", "--timing", "--no-pay", `${NAME}/${cid}`);
    assert.equal(refused.code, 2);
  });

  await t.step("side by side with itself", async () => {
    await Promise.all([call(), call(), call()]);
    // Each notes what it was told and had signed for; the next one learns how far the lane is.
    await call();
    assert.equal(await count(), "9");
  });

  await t.step("a redirect is paid for within the deployment, and never beyond it", async () => {
    await using elsewhere = startRecorder();
    const redirecting = await market.deploy({
      files: { main: redirects(elsewhere.origin) },
      fields: { access: "payer" },
    });
    const before = BigInt(await count());
    const target = `${NAME}/${redirecting}`;
    const within = await payer.run("call", "--pay", `${target}/a`, "-L");
    assert.deepEqual([within.code, within.out], [0, "/b\n"], within.err);
    assert.equal(await count(), String(before + 2n));
    const beyond = await payer.run("call", "--pay", `${target}/out`, "-L", "-u", "me:secret");
    assert.deepEqual([beyond.code, beyond.out], [0, "ok"], beyond.err);
    assert.equal(await count(), String(before + 3n));
    const { start, fields } = elsewhere.take()!;
    assert.equal(start, "GET /seen HTTP/1.1");
    assert.doesNotMatch(fields.join("\n"), /^(?:payment-|authorization)/im);
  });

  await t.step("what can't be written costs nothing", async () => {
    const before = await count();
    const lost = await payer.run(
      "call",
      "--pay",
      `${NAME}/${cid}`,
      "-o",
      join(payer.dir, "none/x"),
    );
    assert.deepEqual([lost.code, await count()], [4, before], lost.err);
    assert.match(lost.err, /its folder does not exist/);
  });

  await t.step("a permit for N credits covers N calls of curl, on a lane in use", async () => {
    const { out } = await payer.run("permit", NAME, "--credits", "5");
    const headers = { "PAYMENT-SIGNATURE": out.trim() };
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const response = await market.call(cid, { headers });
      statuses.push(response.status);
      await response.body?.cancel();
    }
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 402]);
  });
});

Deno.test("a fresh allowance is waited for, not failed on", async () => {
  await using market = await startMarket({
    settings: { settlement: { ...BATCH, finality: "finalized" } },
  });
  await nameIt(market);
  const key = generatePrivateKey();
  const account = privateKeyToAccount(key);
  const { chain, escrow, usdc, accounts } = market;
  await market.mint(account, 1_000_000n);
  await giveEther(chain, account.address);
  // So that the escrow is final, and the allowance is not.
  await mine(chain, 0x80);
  await deposit(chain, account, escrow, usdc, 500_000n);
  const provider = accounts.provider.address;
  await allow(chain, account, escrow, { provider, pricePerCredit: PRICE, credits: 10n });
  await using payer = await openPayer(market, key);
  const cid = await market.deploy(HELLO);
  const early = await payer.run("call", "--pay", "--wait", "0", `${NAME}/${cid}`);
  assert.equal(early.code, 5);
  const waiting = payer.run("call", "--pay", `${NAME}/${cid}`);
  // Finality passes while the call waits.
  await mine(chain, 0x80);
  assert.equal((await waiting).out, "hello\n");
});

Deno.test("a provider that claims too high a count is not signed for", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  await using payer = await openPayer(market, privateKeyOf(market.accounts.payer));
  const { chain, escrow, usdc, accounts } = market;
  const claims = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    if (new URL(request.url).pathname === "/lane") return Response.json({ cumulative: "900000" });
    const offer = {
      chainId: chain.chainId,
      escrow,
      asset: usdc,
      payTo: accounts.provider.address,
      pricePerCredit: PRICE,
      maxTimeoutSeconds: 15,
      thawingPeriodSeconds: 3_600,
      lane: { id: clientLane(accounts.payer.address), cumulative: 900_000n },
    };
    const required = toHeader(paymentRequired([offerToJson(offer)], { url: "/" }));
    return new Response("{}", { status: 402, headers: { "payment-required": required } });
  });
  try {
    const url = `http://127.0.0.1:${claims.addr.port}`;
    await nameIt(market, url);
    const cid = await market.deploy(HELLO);
    for (const args of [["call", "--pay", `${NAME}/${cid}`], ["permit", NAME, "--credits", "1"]]) {
      const { code, err } = await payer.run(...args);
      assert.equal(code, 5);
      assert.match(err, /says that 900000 credits were used on this lane, and [01] are known/);
      assert.match(err, /more \((900|899\.999) USDC\) are its word alone/);
    }
  } finally {
    await claims.shutdown();
  }
});

Deno.test("from USDC without ETH to an answer, by one command", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  await nameIt(market);
  const cid = await market.deploy(HELLO);
  const fresh = async () => {
    const key = generatePrivateKey();
    await market.mint(privateKeyToAccount(key), 5_000_000n);
    return await openPayer(market, key);
  };
  await t.step("call --deposit", async () => {
    await using payer = await fresh();
    const args = ["--deposit", "2", "--allow", "1500", `${NAME}/${cid}`];
    for (
      const told of [/^deposited: \S+ may charge 1500 credits$/m, /^nothing was deposited: cred/]
    ) {
      const { code, out, err } = await payer.run("call", ...args);
      assert.deepEqual([code, out], [0, "hello\n"], err);
      assert.match(err, told);
    }
    const { out } = await payer.run("balance", "--json");
    assert.deepEqual([JSON.parse(out).wallet, JSON.parse(out).free], ["3000000", "500000"]);
  });
  await t.step(
    "what was revoked is told with who and until when, and the command helps",
    async () => {
      await using payer = await openPayer(market, privateKeyOf(market.accounts.payer));
      assert.equal((await payer.run("revoke", NAME)).code, 0);
      // Until the chain is certain of it, the provider still takes the permit.
      for (let code = 0; code === 0;) {
        await mine(market.chain, 1);
        code = (await payer.run("call", `${NAME}/${cid}`)).code;
      }
      const { code, out, err } = await payer.run("call", "--pay", `${NAME}/${cid}`);
      const { address } = market.accounts.payer;
      assert.equal(code, 5);
      assert.match(JSON.parse(out).message, new RegExp(`^${address} has no credits left`));
      assert.match(err, new RegExp(`${address} allowed .* was revoked: .* thaw until \\d{4}-`));
      const [, command = ""] = /^ {2}khachapuri (allow .*)$/m.exec(err) ?? [];
      assert.equal((await payer.run(...command.split(" "))).code, 0, err);
      assert.equal((await payer.run("call", "--pay", `${NAME}/${cid}`)).code, 0);
    },
  );
  await t.step("onboard", async () => {
    await using payer = await fresh();
    const { code, out, err } = await payer.run("onboard", NAME, "--amount", "1.5");
    assert.equal(code, 0, err);
    assert.match(out, /deposited 1\.5 USDC; paolo\.khachapuri may charge 1500 credits/);
    const small = await payer.run("onboard", NAME, "--amount", "0.5");
    assert.equal(small.code, 5);
  });
});

Deno.test("a receipt is verified against chain and bodies", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  await using anyone = await openPayer(market, privateKeyOf(market.accounts.stranger));
  const cid = await market.deploy({ files: { main: "#!/bin/sh\nprintf 'got '; cat\n" } });
  const headers = await market.pay(market.accounts.payer);
  const response = await market.call(cid, { method: "POST", body: "data", headers });
  const at = (name: string) => join(anyone.dir, name);
  await Deno.writeTextFile(at("answer.txt"), await response.text());
  await Deno.writeTextFile(at("body.txt"), "data");
  const url = market.provider.url + response.headers.get("khachapuri-receipt");
  const bodies = ["--request", at("body.txt"), "--response", at("answer.txt")];
  const good = await anyone.run("verify-receipt", url, ...bodies);
  assert.equal(good.code, 0, good.err);
  assert.match(
    good.out,
    /^valid: bafk\w+ answered at .*\n0x\w+ paid 0x\w+ 0\.001 USDC, credit 1 of/,
  );
  const swapped = ["--request", at("answer.txt")];
  assert.equal((await anyone.run("verify-receipt", url, ...swapped)).code, 3);

  const receipt = await (await fetch(url)).json();
  const verify = async (changes: Record<string, unknown>) => {
    await Deno.writeTextFile(at("receipt.json"), JSON.stringify({ ...receipt, ...changes }));
    return (await anyone.run("verify-receipt", at("receipt.json"))).code;
  };
  assert.equal(await verify({}), 0);
  assert.equal(await verify({ price: "1" }), 3);
  assert.equal(await verify({ chainId: 1 }), 5);
  assert.equal(await verify({ provider: market.accounts.stranger.address }), 3);
  assert.equal(await verify({ extra: 1 }), 3);
  assert.equal((await anyone.run("verify-receipt", `${url}x`)).code, 4);

  // Whoever holds the operator's key can name any block, but no run after it.
  const { chain, accounts: { operator } } = market;
  const { version: _, signature: __, ...signed } = receiptFromJson(receipt);
  const unsigned = { ...signed, credits: 1 };
  const later = (1n << 40n) * 1_000n;
  const dated = async (startedAt: bigint) => {
    const signed = receiptToJson(await signReceipt(operator, { ...unsigned, startedAt }));
    await Deno.writeTextFile(at("receipt.json"), JSON.stringify(signed));
    return await anyone.run("verify-receipt", at("receipt.json"));
  };
  assert.equal((await dated(later)).code, 0, "no block came since: it is signed now");
  await mine(chain, 1);
  const { timestamp } = await chain.public.getBlock({ blockNumber: unsigned.block + 1n });
  assert.equal((await dated((timestamp + 600n) * 1_000n)).code, 0);
  const refused = await dated((timestamp + 600n) * 1_000n + 1n);
  assert.equal(refused.code, 6);
  assert.match(refused.err, /the run of .* is later than block \d+ of .*\(access_denied\)/);
});

Deno.test("the provider's book: ledger, settle, one holder", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer, owner } = market.accounts;
  const cid = await market.deploy({ files: { main: "#!/bin/sh\necho hello\n" } });
  const headers = await market.pay(payer);
  const { permit } = JSON.parse(atob(headers["PAYMENT-SIGNATURE"]!)).payload;
  await (await market.call(cid, { headers })).text();
  await (await market.call(cid)).text();
  const asProvider = (...words: string[]) => runIn(market.home, words);

  await t.step("ledger prints what happened and no signature", async () => {
    const all = await asProvider("ledger", "--json");
    const { entries } = JSON.parse(all.out);
    const kinds = entries.map(({ kind }: { kind: string }) => kind);
    assert.deepEqual(kinds.sort(), ["charge", "open", "permit", "reserve"].flatMap((k) => [k, k]));
    assert.ok(!all.out.includes(permit.signature.slice(2, 60)));
    const mine = JSON.parse((await asProvider("ledger", "--payer", payer.address, "--json")).out);
    assert.equal(mine.entries.length, 4);
    const csv = (await asProvider("ledger", "--csv", "--deployment", cid)).out.trim().split("\n");
    assert.equal(
      csv[0],
      "seq,at,kind,payer,lane,reservation,deployment,price,credits,detail,transaction",
    );
    assert.equal(csv.length, 5);
    assert.ok(!csv.join().includes(permit.signature));
    const later = await asProvider("ledger", "--since", "2999-01-01", "--json");
    assert.deepEqual(JSON.parse(later.out), { entries: [] });
    const lane = JSON.parse((await asProvider("ledger", "--lane", permit.lane, "--json")).out);
    assert.equal(lane.entries.length, 4);
    assert.equal((await asProvider("ledger", "--since", "soon")).code, 2);
  });

  await t.step("metrics add it up and name nobody", async () => {
    const text = await (await fetch(`${market.provider.url}/metrics`)).text();
    assert.match(text, /^khachapuri_runs_total\{paid_by="caller",outcome="answered"\} 1$/m);
    assert.match(text, /^khachapuri_runs_total\{paid_by="owner",outcome="answered"\} 1$/m);
    assert.match(text, /^khachapuri_unsettled_usdc_base_units 2000$/m);
    assert.match(text, /^khachapuri_outbox_pending 0$/m);
    assert.match(text, /^khachapuri_chain_age_seconds [0-9.]+$/m);
    assert.match(text, /^khachapuri_refused_lanes 0$/m);
    for (const secret of [payer.address, owner.address, cid]) {
      assert.ok(!text.toLowerCase().includes(secret.toLowerCase()));
    }
  });

  await t.step("settle asks the provider that runs", async () => {
    const { code, out, err } = await asProvider("settle");
    assert.equal(code, 0, err);
    assert.equal(out, "all is settled\n");
    const rows = JSON.parse((await asProvider("ledger", "--json")).out).entries;
    assert.equal(rows.filter(({ kind }: { kind: string }) => kind === "settle").length, 2);
  });

  await t.step("nobody else may ask it", async () => {
    const stranger = await fetch(`${market.provider.url}/settle`, { method: "POST", body: "{}" });
    assert.equal(stranger.status, 400);
    await stranger.body?.cancel();
  });

  await t.step("a second provider does not open the same books", async () => {
    await assert.rejects(startProvider(market.config, { log: silentLog }), {
      code: "access_denied",
      message: /another provider uses/,
    });
  });

  await t.step("settle opens the books of one that is stopped", async () => {
    await (await market.call(cid)).text();
    await market.provider.stop();
    const { code, out, err } = await asProvider("settle");
    assert.equal(code, 0, err);
    assert.equal(out, "all is settled\n");
    await market.restart();
  });
});
