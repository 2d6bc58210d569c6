/** What the payer's and the developer's commands say: where money is, what to run next. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { termsHash } from "../lib/spec/terms.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { nameProvider } from "../worlds/chain/escrow_chain.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome, runIn } from "../worlds/home.ts";
import { type Market, startMarket, TERMS } from "../worlds/market.ts";

const NAME = "paolo.khachapuri";
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
const samples = new URL("../samples/", import.meta.url).pathname;

async function startNamed() {
  const market = await startMarket({
    settings: { onboarding: { minimum: "100000", perMinute: 9 } },
  });
  await register(market, TERMS);
  // What its front page calls itself.
  await register(market, TERMS, "provider.test");
  const config = {
    ...chainConfig(market),
    gateways: [market.gateway.url],
    kubo: { url: market.gateway.kuboUrl },
  };
  return { market, config };
}

function register(market: Market, terms: Uint8Array, name = NAME) {
  return nameProvider(market, name, {
    webDomain: market.provider.url,
    recipients: [market.recipient],
    terms: termsHash(terms),
  });
}

Deno.test("a deployment is known by every way to write it, and five are told apart", async () => {
  const { market, config } = await startNamed();
  await using _market = market;
  await using owner = await openHome(config, { "keys.json": privateKeyOf(market.accounts.owner) });
  const flags = ["--provider", NAME, "--accept-terms"];
  const cids: string[] = [];
  for (const name of ["hello", "echo", "words", "secret", "sleepy"]) {
    const { out, err, code } = await owner.run("deploy", join(samples, name), ...flags);
    assert.equal(code, 0, err);
    cids.push(out.split("\n")[0]!);
  }
  const [cid = ""] = cids;
  const url = `${market.provider.url}/${cid}`;

  for (const text of [cid, url, `${NAME}/${cid}`]) {
    const called = await owner.run("call", "--no-pay", `${text}?Nino`);
    assert.equal(called.out, "gamarjoba, Nino\n", called.err);
    for (const command of ["logs", "inspect", "deployments"]) {
      const { code, err } = await owner.run(command, text);
      assert.equal(code, 0, `${command} ${text}: ${err}`);
    }
    const { json } = await owner.run("deployments", text, "--json");
    assert.deepEqual(json.deployments.map((row: { cid: string }) => row.cid), [cid]);
  }

  const [head, ...listed] = (await owner.run("deployments")).out.trimEnd().split("\n");
  assert.match(head!, /^FOLDER +CID +PROVIDER +AGE +STATE +SPENT +LEFT +LAST RUN +URL$/);
  assert.equal(listed.length, 5);
  for (const [index, name] of ["hello", "echo", "words", "secret", "sleepy"].entries()) {
    const cid = cids[index]!;
    const cells = listed[4 - index]!.split(/ {2,}/);
    assert.deepEqual(cells.slice(0, 3), [name, cid.slice(0, 14), NAME]);
    assert.equal(cells.at(-1), `${market.provider.url}/${cid}`);
    const details = (await owner.run("deployments", name)).out.trimEnd().split("\n");
    const [called, ...rest] = details.map((line) => line.trim());
    assert.match(called!, new RegExp(`^${name}  \\./main  since \\d{4}-\\d\\d-\\d\\dT[\\d:]{8}Z$`));
    assert.deepEqual(rest.slice(0, 2), [cid, `${market.provider.url}/${cid}`]);
    assert.equal(rest[3], "interface curl");
    assert.match(rest[4]!, /^running: \d credits? spent, \d+ left with paolo/);
  }
  assert.equal((await owner.run("stop", url)).code, 0);
  assert.match((await owner.run("deployments", url)).out, /\n {2}stopped \d{4}-\S+Z: /);

  const answer = await owner.run("call", "--json", "--pay", `${market.provider.url}/${cids[1]}`);
  assert.equal(answer.json.status, 200, answer.err);
  assert.match(answer.json.body, /^arguments\n/);
  assert.match(answer.json.receipt, /^http:\/\/.*\/receipts\//);
  assert.equal(answer.json.paid.credits, "1");
  const receipt = await owner.run("verify-receipt", answer.json.receipt, "--json");
  assert.equal(receipt.json.receipt.deployment, cids[1], receipt.err);
});

Deno.test("terms that were agreed to are asked about again when they change, and not before", async () => {
  const { market, config } = await startNamed();
  await using _market = market;
  await using owner = await openHome(config, { "keys.json": privateKeyOf(market.accounts.owner) });
  const deploy = (answers: string[]) =>
    runIn(owner.dir, ["deploy", join(samples, "hello"), "--provider", NAME], {
      answers,
      isTerminal: true,
    });
  assert.match((await deploy(["y"])).err, /Be kind\. No refunds/);
  const again = await deploy([]);
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /terms of paolo\.khachapuri as agreed on \d{4}-/);
  assert.doesNotMatch(again.err, /Be kind/);
  await register(market, new TextEncoder().encode("other"));
  const changed = await deploy([]);
  assert.notEqual(changed.code, 0);
});

Deno.test("who has USDC and no ETH is told only what works without", async () => {
  const { market, config } = await startNamed();
  await using _market = market;
  const key = generatePrivateKey();
  await using fresh = await openHome(config, { "keys.json": key });
  const { address } = privateKeyToAccount(key);
  const cid = await market.deploy({ ...HELLO, fields: { access: "payer" } });
  const target = `${NAME}/${cid}`;

  const broke = await fresh.run("call", target);
  assert.equal(broke.code, 5);
  assert.match(broke.err, new RegExp(`send ${address} 0\\.1 USDC; it needs no ETH`));
  await market.mint({ address }, 1_000_000n);
  const advised = await fresh.run("call", target);
  assert.match(advised.err, /without ETH: khachapuri onboard paolo\.khachapuri --amount 0\.1\n/);
  assert.doesNotMatch(advised.err, /khachapuri (allow|deposit)/);

  const sent: [string[], RegExp][] = [
    [["deposit", "1"], /or without ETH: khachapuri onboard NAME --amount 1\n/],
    [["allow", NAME, "--credits", "500"], /without ETH: khachapuri onboard .* --amount 0\.5\n/],
  ];
  for (const [args, hint] of sent) {
    const refused = await fresh.run(...args);
    assert.equal(refused.code, 5, args.join(" "));
    assert.match(refused.err, hint);
  }
  const header = await fresh.run("permit", NAME, "--credits", "500");
  assert.match(header.err, /only 0 credits allowed\n {2}without ETH: khachapuri onboard/);

  const little = await fresh.run("onboard", NAME, "--amount", "1", "--credits", "5");
  assert.equal(little.code, 5);
  const [remedy = ""] = /onboard paolo.*$/m.exec(little.err) ?? [];
  assert.equal(remedy, `onboard ${NAME} --amount 1 --credits 100`);
  const done = await fresh.run(...remedy.split(" "));
  assert.equal(done.code, 0, done.err);
  assert.match(done.out, /comes back without ETH.*\n.*revoke paolo\.khachapuri --relay/);

  const covered = await fresh.run("call", "--no-pay", target);
  assert.match(covered.err, /call again with --pay/);
  assert.equal((await fresh.run("call", target)).out, "hello\n");

  // It was not deployed from here: the server says its name, and the name says the server.
  const url = `${market.provider.url}/${cid}`;
  const byUrl = await fresh.run("call", url);
  assert.equal(byUrl.out, "hello\n", byUrl.err);
  const bold = await fresh.run("call", "--deposit", "0.2", url);
  assert.equal(bold.code, 2);
  assert.match(bold.err, /--deposit needs the provider's name/);

  const named = await fresh.run("balance", NAME);
  assert.match(named.out, /free {5}0\.9 USDC: khachapuri withdraw all/);
  assert.match((await fresh.run("revoke", NAME)).err, /or the same with --relay NAME/);
  await giveEther(market.chain, address);
  assert.equal((await fresh.run("revoke", NAME, "--credits", "40")).code, 0);
  const { json } = await fresh.run("balance", NAME, "--json");
  assert.deepEqual([json.providers[0].thawing.credits, json.providers[0].isReclaimable], [
    "40",
    false,
  ]);
  const thawing = (await fresh.run("balance", NAME)).out;
  assert.match(
    thawing,
    /of it {2}40 thawing until \d{4}-.*Z, 0\.04 USDC; then: khachapuri reclaim paolo/,
  );
});

Deno.test("what has no bound is called unlimited", async () => {
  const { market } = await startNamed();
  await using _market = market;
  const cid = await market.deploy(HELLO);
  await (await market.call(cid)).text();
  await market.provider.stop();
  const { out } = await runIn(market.home, ["ledger"]);
  assert.match(out, / permit .* credits unlimited .* deadline never, epoch 0/);
  assert.doesNotMatch(out, /\d{30}/);
  const inspected = await runIn(market.home, ["inspect", cid]);
  assert.match(inspected.out, /"credits": "unlimited"/);
});

Deno.test("serve --json says its URL in one line, and logs JSON on a terminal, too", async () => {
  const { market } = await startNamed();
  await using _market = market;
  await market.provider.stop();
  const served = await runIn(market.home, ["serve", "--json"], {
    isTerminal: true,
    stop: AbortSignal.abort("SIGTERM"),
  });
  assert.equal(served.code, 0, served.err);
  assert.match(served.out, /^\{"url":"http:\/\/[^"]+"\}\n$/);
  const logged = served.err.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.ok(logged.some(({ msg, message }) => (msg ?? message) === "stopped"), served.err);
});
