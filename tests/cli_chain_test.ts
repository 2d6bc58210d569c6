import assert from "node:assert/strict";
import { join } from "node:path";
import { keccak256, stringToBytes } from "viem";
import { clientLane } from "../lib/chain/lane.ts";
import { deployEscrow } from "../lib/chain/deploy.ts";
import { readAllowance } from "../lib/chain/escrow.ts";
import { consume } from "../lib/chain/escrow_provider.ts";
import { readUsdcBalance } from "../lib/chain/usdc.ts";
import { decodePaymentHeader } from "../lib/payment_header.ts";
import { recoverPermitSigner } from "../lib/permit.ts";
import { generateIdentity, recipientOf, writeKeyFile } from "../lib/spec/keys.ts";
import { passTime } from "../worlds/chain/anvil_calls.ts";
import {
  type EscrowChain,
  startEscrowChain,
  THAWING_SECONDS,
} from "../worlds/chain/escrow_chain.ts";
import { type Accounts, privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome } from "../worlds/home.ts";

const NAME = "paolo.khachapuri";
const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

/** A home with the world's contracts in its config, and a key file for each of its people. */
async function openPeoplesHome(world: EscrowChain) {
  const people = Object.entries(world.accounts);
  const keys = people.map(([who, account]) => [`${who}.json`, privateKeyOf(account)]);
  const home = await openHome(chainConfig(world), Object.fromEntries(keys));
  const run = (who: keyof Accounts, ...[command = "", ...args]: string[]) =>
    home.run(command, "--keys", join(home.dir, `${who}.json`), ...args);
  return { ...home, run };
}

const registration = ["--domain", "http://127.0.0.1:8402", "--age", AGE, "--price", "0.001"];

Deno.test("a payer deposits, allows, signs, revokes and withdraws by commands", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { chain, escrow, usdc, accounts: { payer, provider } } = world;
  const { run } = home;
  assert.equal((await run("deployer", "assign", NAME, provider.address)).code, 0);
  assert.equal((await run("provider", "register", NAME, ...registration)).code, 0);

  const deposited = await run("payer", "deposit", "5");
  assert.match(deposited.out, /deposited 5 USDC, free balance 5 USDC/);
  const allowed = await run("payer", "allow", NAME, "--credits", "100", "--json");
  assert.deepEqual(
    [allowed.json.provider, allowed.json.pricePerCredit, allowed.json.free],
    [provider.address, "1000", "4900000"],
  );
  const standing = await run("payer", "allowance", NAME);
  assert.match(standing.out, /credits +100 at 0.001 USDC each\nlocked +0.1 USDC\n/);
  const balance = await run("payer", "balance", "--json");
  assert.deepEqual([balance.json.wallet, balance.json.free], ["95000000", "4900000"]);
  assert.deepEqual(balance.json.providers, [
    {
      provider: provider.address,
      locked: "100000",
      name: null,
      credits: "100",
      thawing: null,
      isReclaimable: false,
      pricePerCredit: "1000",
      unsettled: null,
    },
  ]);

  const first = await run("payer", "permit", NAME, "--credits", "10");
  const domain = { chainId: chain.chainId, escrow };
  const expected = { ...domain, provider: provider.address };
  const { permit } = decodePaymentHeader(first.out.trim(), expected);
  assert.deepEqual([permit.credits, permit.lane], [10n, clientLane(payer.address)]);
  assert.equal(await recoverPermitSigner(domain, permit), payer.address);
  await consume(chain, provider, escrow, 1000n, permit);
  const second = await run("payer", "permit", NAME, "--credits", "10", "--json");
  assert.deepEqual([second.json.permit.credits, second.json.consumed], ["11", "1"]);

  const collected = await run("provider", "collect");
  assert.match(collected.out, /collected 0.001 USDC/);
  const revoked = await run("payer", "revoke", NAME);
  assert.match(
    revoked.out,
    /99 credits thaw until \d{4}-\d\d-\d\dT[\d:]+Z\nthen: khachapuri reclaim/,
  );
  const { out } = await run("payer", "allowance", NAME);
  assert.match(out, /of it +99 thawing until \d{4}-.*Z, 0\.099 USDC; then: khachapuri reclaim/);
  const fewer = await run("payer", "allow", NAME, "--credits", "7");
  assert.equal(fewer.code, 5);
  assert.match(fewer.err, /99 credits thaw until \d{4}-.*: khachapuri reclaim .* after that/);
  const [, keep = ""] = /ends the thaw: khachapuri (.*)/.exec(fewer.err) ?? [];
  const kept = await run("payer", ...keep.split(" "));
  assert.match(kept.out, /the 99 credits that you revoked thaw no more/);
  assert.match(
    (await run("payer", "allow", NAME, "--credits", "9")).err,
    /revoke .* --credits 90\n/,
  );
  await run("payer", "revoke", NAME);
  const early = await run("payer", "reclaim", NAME);
  assert.deepEqual([early.code, /StillThawing/.test(early.err)], [5, true]);
  await passTime(chain, THAWING_SECONDS + 1n);
  assert.match((await run("payer", "reclaim", NAME)).out, /free balance 4.999 USDC/);
  assert.match((await run("payer", "withdraw", "all")).out, /withdrew 4.999 USDC/);
  assert.equal(await readUsdcBalance(chain, usdc, payer.address), 99_999_000n);
});

Deno.test("resolve prints every record, and --json the base units", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { chain, escrow, accounts: { provider } } = world;
  await home.run("deployer", "assign", NAME, provider.address);
  const terms = join(home.dir, "terms.txt");
  await Deno.writeTextFile(terms, "be nice");
  await home.run("provider", "register", NAME, ...registration, "--terms", terms);
  const { json } = await home.run("stranger", "resolve", "PAOLO.khachapuri", "--json");
  assert.deepEqual({ ...json, node: 0, resolver: 0 }, {
    name: NAME,
    node: 0,
    resolver: 0,
    address: provider.address,
    webDomain: "http://127.0.0.1:8402",
    recipients: [AGE],
    price: "1000",
    terms: keccak256(stringToBytes("be nice")),
    escrow: { chainId: chain.chainId, address: escrow },
  });
  const again = await home.run("provider", "register", NAME, ...registration, "--terms", terms);
  assert.match(again.out, /says so already/);
  assert.match((await home.run("stranger", "resolve", NAME)).out, /price +0.001 USDC a credit/);
});

Deno.test("register on a provider's machine reads config.json, approves the operator", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { accounts: { provider, operator } } = world;
  await home.run("deployer", "assign", NAME, provider.address);
  const identity = await generateIdentity("pq");
  const account = privateKeyOf(operator);
  const keyFile = join(home.dir, "keys.json");
  await writeKeyFile(keyFile, { version: 1, account, identities: [identity] });
  await Deno.writeTextFile(join(home.dir, "terms.txt"), "be nice");
  const path = join(home.dir, "config.json");
  const config = JSON.parse(await Deno.readTextFile(path));
  const section = {
    name: NAME,
    address: provider.address,
    webDomain: "https://paolo.example",
    price: "2000",
    terms: ["terms.txt"],
    stateDir: "state",
    keyFile: "keys.json",
  };
  await Deno.writeTextFile(path, JSON.stringify({ ...config, provider: section }));
  const refused = await home.run("operator", "register");
  assert.deepEqual([refused.code, /the provider key is 0x/.test(refused.err)], [6, true]);
  const done = await home.run("provider", "register");
  assert.match(done.out, new RegExp(`operator ${operator.address} may settle`));
  const { json } = await home.run("stranger", "resolve", NAME, "--json");
  assert.deepEqual([json.price, json.webDomain], ["2000", "https://paolo.example"]);
  assert.deepEqual(json.recipients, [await recipientOf(identity)]);
  const removed = await home.run("provider", "operator", "remove", operator.address, "--json");
  assert.deepEqual([removed.json.approved, removed.json.isChanged], [false, true]);
});

Deno.test("a name that wants money through a strange escrow gets none", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { run } = home;
  const { usdc, chain, escrow, accounts: { deployer, provider, payer } } = world;
  await run("deployer", "assign", NAME, provider.address);
  const terms = { usdc, thawingPeriodSeconds: 7_200n };
  const { address: strange } = await deployEscrow(chain, deployer, terms);
  await run("provider", "register", NAME, ...registration, "--escrow", strange);
  await run("payer", "deposit", "5");
  for (const command of ["allow", "permit"]) {
    const { code, err } = await run("payer", command, NAME, "--credits", "1");
    assert.equal(code, 5);
    assert.match(err, /\(untrusted_escrow\)/);
  }
  const allowance = await readAllowance(chain, escrow, payer.address, provider.address);
  assert.equal(allowance.credits, 0n);
});

Deno.test("bad input of every command is named, with the exit code of its kind", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { run } = home;
  const provider = world.accounts.provider.address;
  const typo = provider.replace(/C$/, "c");
  const cases: [string[], number, RegExp][] = [
    [["deposit", "0"], 2, /amount is zero/],
    [["deposit", "1,5"], 3, /not an amount of USDC/],
    [["deposit"], 2, /usage: khachapuri deposit/],
    [["deposit", "1000"], 5, /holds 100 USDC, needs 1000.*\n {2}send it USDC/],
    [["call"], 2, /an argument is missing.*\n {2}usage: khachapuri call .*PROVIDER\/CID/],
    [["run", "."], 2, /an argument is missing.*\n {2}usage: khachapuri run .*PATH_OR_URL/],
    [["withdraw", "1"], 5, /you have 0 USDC free, need 1/],
    [["withdraw", "all"], 3, /free balance is empty/],
    [["withdraw", "1", "--to", "paolo"], 2, /--to is not an Ethereum address/],
    [["allow", "nobody.khachapuri", "--credits", "1"], 4, /has no resolver/],
    [["allow", "a..b", "--credits", "1"], 3, /not an ENS name/],
    [["allow", provider, "--credits", "1"], 2, /give --price/],
    [["allow", typo, "--credits", "1", "--price", "1"], 2, /wrong checksum/],
    [["allow", provider, "--price", "1"], 2, /--credits N is missing/],
    [["allow", provider, "--credits", "0", "--price", "1"], 2, /whole number from 1/],
    [["allow", provider, "--credits", "1.5", "--price", "1"], 2, /whole number from 1/],
    [["allow", provider, "--credits", "9", "--price", "1"], 5, /0 USDC free, need 9/],
    [["revoke", provider], 5, /no credits to give or to take back/],
    [["revoke", provider, "--credits", "-1"], 2, /--credits/],
    [["reclaim", provider], 5, /NothingThawing/],
    [["allowance", "0x12"], 2, /not an Ethereum address/],
    [["balance", "--of", "me"], 2, /--of is not an Ethereum address/],
    [["permit", provider, "--credits", "1"], 2, /give --price/],
    [["permit", provider], 2, /--credits N is missing/],
    [["permit", provider, "--max-price", "1"], 2, /--max-price goes with CID/],
    [["permit", CID, "--credits", "1"], 2, /--credits goes with NAME/],
    [["permit", CID], 4, /was not deployed from here/],
    [["allow", NAME, "--credits", "1", "--price", "1", "--reprice"], 2, /no --price/],
    [["allow", provider, "--credits", "1", "--reprice"], 2, /an address says no price/],
    [["permit", provider, "--credits", "1", "--price", "1", "--lane", "1"], 2, /32 bytes/],
    [["permit", provider, "--credits", "1", "--price", "1", "--deadline", "soon"], 2, /no time/],
    [["permit", provider, "--credits", "1", "--price", "1", "--deadline", "1"], 2, /has passed/],
    [
      ["permit", provider, "--credits", "1", "--price", "1", "--payer", provider],
      6,
      /are signed by 0x3C44/,
    ],
    [["resolve", "nobody.khachapuri"], 4, /has no resolver/],
    [["resolve", "x_y.khachapuri"], 3, /not an ENS name/],
    [["register"], 2, /NAME is missing/],
    [["register", NAME], 2, /--domain URL is missing|--age RECIPIENT is missing/],
    [["register", NAME, ...registration], 6, /has no owner and can't be claimed/],
    [["register", NAME, ...registration, "--terms", "/nowhere"], 4, /nowhere can't be read/],
    [["register", NAME, ...registration.with(1, "http://paolo.example")], 3, /must be https/],
    [["register", NAME, ...registration.with(3, "age1x")], 3, /not an age recipient/],
    [["assign", NAME, "paolo"], 2, /ADDRESS is not an Ethereum address/],
    [["assign", NAME, provider], 6, /can't hand out/],
    [["contracts", "burn"], 2, /unknown action "burn": address, deploy or mint/],
    [["contracts", "deploy", "--thawing", "3599"], 2, /from 3600 to 2592000: 3599/],
    [["contracts", "deploy", "--registry", provider], 3, /no contract at --registry/],
    [["contracts", "deploy", "--thawing", "1d"], 2, /whole number of seconds/],
    [["operator", "promote", provider], 2, /"promote" is no action of it/],
    [["collect"], 4, /no settled earnings/],
    [["balance", "--rpc", "http://127.0.0.1:1"], 7, /did not answer/],
    [["balance", "--rpc", "nowhere"], 2, /not an http/],
  ];
  for (const [args, code, message] of cases) {
    const result = await run("payer", ...args);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.err}`);
    assert.match(result.err, message, `${args.join(" ")}: ${result.err}`);
  }
});

Deno.test("a pinned signer's permit pays from the payer's allowance", async () => {
  await using world = await startEscrowChain();
  await using home = await openPeoplesHome(world);
  const { run } = home;
  const { chain, escrow, accounts: { payer, provider, stranger } } = world;
  await run("payer", "deposit", "5");
  const price = ["--price", "0.001"];
  const signer = ["--signer", stranger.address];
  await run("payer", "allow", provider.address, "--credits", "10", ...price, ...signer);
  const own = await run("payer", "permit", provider.address, "--credits", "1", ...price);
  assert.match(own.err, new RegExp(`are signed by ${stranger.address}`));
  const as = ["--payer", payer.address, "--lane-label", "laptop", ...price];
  const signed = await run("stranger", "permit", provider.address, "--credits", "1", ...as);
  const { permit } = decodePaymentHeader(signed.out.trim());
  assert.equal(permit.lane, clientLane(payer.address, "laptop"));
  await consume(chain, provider, escrow, 1000n, permit);
  const left = await readAllowance(chain, escrow, payer.address, provider.address);
  assert.equal(left.credits, 9n);
});
