/** Runs of more than one credit: what is said of them, and what they cost whom. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { readConsumed } from "../lib/chain/escrow.ts";
import { clientLane } from "../lib/chain/lane.ts";
import { deploymentLane } from "../lib/permit.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { fund, nameProvider } from "../worlds/chain/escrow_chain.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, openHome } from "../worlds/home.ts";
import { type Market, startMarket, TERMS } from "../worlds/market.ts";
import { livingProcesses } from "../worlds/processes.ts";
import { pause } from "../lib/pause.ts";

const NAME = "paolo.khachapuri";
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };

async function nameIt(market: Market): Promise<void> {
  await nameProvider(market, NAME, {
    webDomain: market.provider.url,
    recipients: [market.recipient],
    terms: termsHash(TERMS),
  });
}

/** A home with the key of one who deploys or calls. */
async function openPerson({ gateway, ...market }: Market, key: Hex) {
  const config = {
    ...chainConfig(market),
    gateways: [gateway.url],
    kubo: { url: gateway.kuboUrl },
  };
  return await openHome(config, { "keys.json": key });
}

/** A folder in a home, with this for a program. */
async function writeProgram(home: string, main: string): Promise<string> {
  const dir = join(home, "program");
  await Deno.mkdir(dir);
  await Deno.writeTextFile(join(dir, "main"), main, { mode: 0o755 });
  return dir;
}

Deno.test("deploy says what a long run may cost, and of an ordinary one nothing", async (t) => {
  await using market = await startMarket({
    settings: { settlement: BATCH, sandbox: { credits: 60 } },
    credits: 30n,
  });
  await nameIt(market);
  await using owner = await openPerson(market, privateKeyOf(market.accounts.owner));
  const dir = await writeProgram(owner.dir, "#!/bin/sh\necho hello\n");
  const deploy = (...flags: string[]) =>
    owner.run("deploy", dir, "--provider", NAME, "--accept-terms", ...flags);

  await t.step("an ordinary deployment says nothing of it, in its spec neither", async () => {
    const { code, err, out } = await deploy();
    assert.equal(code, 0, err);
    assert.doesNotMatch(err, /a run at/);
    assert.deepEqual(err.match(/^warning: .*/gm), [
      `warning: ${NAME}: 30 credits are left: allow more in time`,
    ]);
    const { json } = await owner.run("deployments", out.split("\n")[0]!, "--json");
    assert.equal(json.deployments[0].creditsMax, 1);
    const keys = join(market.home, "keys.json");
    const inspect = await owner.run("inspect", out.split("\n")[0]!, "--keys", keys);
    assert.match(inspect.out, /"ownerCreditsPerMinute": 600\n/);
    assert.doesNotMatch(inspect.out, /"credits": \d/);
  });

  await t.step("a long run's is told, with what the owner's means are too small for", async () => {
    const { code, err, out } = await deploy("--credits", "40", "--owner-credits-per-minute", "3");
    assert.equal(code, 0, err);
    assert.match(err, /^a run at paolo\.khachapuri takes up to 40 credits, one each 15 s: /m);
    assert.match(
      err,
      /^warning: one run takes up to 4 credits a minute, and callers may cost .* 3/m,
    );
    assert.match(err, /^warning: one run takes up to 40 credits, and you have allowed 30: /m);
    assert.match(err, /^ {2}khachapuri allow paolo\.khachapuri --credits 100/m);
    const listed = await owner.run("deployments", out.split("\n")[0]!);
    assert.match(listed.out, /USDC a credit at most, up to 40 credits a run$/m);
    assert.match(listed.out, /running low: khachapuri allow/);
    const keys = join(market.home, "keys.json");
    const inspect = await owner.run("inspect", out.split("\n")[0]!, "--keys", keys);
    assert.match(inspect.out, /"credits": 40/);
  });

  await t.step("less than is asked for is told by the provider's name", async () => {
    const { code, err } = await deploy("--credits", "61");
    assert.equal(code, 0, err);
    assert.match(err, /^warning: paolo\.khachapuri gives a run 60 credits, not 61$/m);
    assert.match(err, /takes up to 60 credits/);
  });
});

/** A credit is a second, so that a busy machine takes the next one in time. */
const LIMITS = { timeoutMs: 1_000, memoryMb: 64, concurrency: 8, ownerCreditsPerMinute: 600 };
/** Prints a line, and another one after as many tenths of a second as its query says. */
const STREAM = `#!/bin/sh
printf 'HTTP/1.1 200 OK\\r\\ncontent-type: text/plain\\r\\n\\r\\nbegun\\n'
i=0; while [ $i -lt "$QUERY_STRING" ]; do i=$((i+1)); sleep 0.1; done
echo ended
`;
/** The same as a CGI program that says nothing before its end. */
const LONG_RUN = `#!/bin/sh
i=0; while [ $i -lt "$QUERY_STRING" ]; do i=$((i+1)); sleep 0.1; done
printf 'Content-Type: text/plain\\n\\nended\\n'
`;
/** A CGI program that answers once it is sent a signal. */
const TOLD_RUN = `#!/bin/sh
trap "printf 'Content-Type: text/plain\\n\\nended\\n'; exit 0" USR1
sleep 60 & wait
`;
/** Half of it goes by between a credit's begin and the hold of the next one. */
const TOLD_CREDIT_MS = 2_000;

/** Has `TOLD_RUN` answer at the moment in which that many credits have begun. */
async function tellOnce(tag: string, hasBegun: () => boolean): Promise<void> {
  const until = performance.now() + 20 * TOLD_CREDIT_MS;
  const isLate = () => performance.now() >= until;
  // Found before, as no program can be started in a moment.
  let pid = NaN;
  while (isNaN(pid) && !isLate()) pid = parseInt(await livingProcesses(`main ${tag}`));
  while (!hasBegun() && !isLate()) await pause(1);
  assert.ok(!isLate(), "it does not run, or takes no further credits");
  Deno.kill(pid, "SIGUSR1");
}

Deno.test("callers buy their runs more time with call --credits", async (t) => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  await nameIt(market);
  await using payer = await openPerson(market, privateKeyOf(market.accounts.payer));
  const { chain, escrow, accounts } = market;
  const { address } = accounts.payer;
  const deploy = (main: string, fields: object = {}) =>
    market.deploy({ files: { main }, fields: { limits: { ...LIMITS, credits: 8 }, ...fields } });
  const stream = await deploy(STREAM);
  const longRun = await deploy(LONG_RUN, { interface: "cgi", access: "payer" });
  const told = await market.spec({
    files: { main: TOLD_RUN },
    fields: {
      limits: { ...LIMITS, timeoutMs: TOLD_CREDIT_MS, credits: 8 },
      interface: "cgi",
      access: "payer",
    },
  });
  told.program.args.push(told.id);
  const toldRun = await market.publishSpec(told);
  const callFor8 = (...args: string[]) => payer.run("call", "--pay", "--credits", "8", ...args);
  const lane = clientLane(address);
  const charged = (of = lane) =>
    BigInt(market.entries({ lane: of }).filter(({ kind }) => kind === "charge").length);
  const book = join(payer.dir, "permits.json");
  const known = async () => BigInt(JSON.parse(await Deno.readTextFile(book)).lanes[0].cumulative);
  /** What a call took, by what it said; the books must say the same. */
  async function taken(before: bigint, err: string): Promise<bigint> {
    const [, text] = /\bthe run took (\d+) credits?/m.exec(err) ?? [];
    assert.ok(text, err);
    assert.deepEqual([charged(), await known()], [
      before + BigInt(text),
      before + BigInt(text),
    ]);
    return BigInt(text);
  }

  await t.step("a stream goes on over several", async () => {
    const before = charged();
    const args = ["call", "--pay", "--credits", "8", `${NAME}/${stream}?22`];
    const { code, out, err } = await payer.run(...args);
    assert.deepEqual([code, out], [0, "begun\nended\n"], err);
    assert.ok(await taken(before, err) >= 3n, err);
  });

  await t.step(
    "a CGI program that is long in answering has them, too",
    async () => {
      const before = charged();
      // What it has left is told in its answer's head: when no credit is held beside those charged.
      const [{ code, json, err }] = await Promise.all([
        callFor8("--json", `${NAME}/${toldRun}`),
        tellOnce(told.id, () => charged() === before + 3n),
      ]);
      assert.deepEqual([code, json.status, json.body], [0, 200, "ended\n"], err);
      const credits = await taken(before, err);
      assert.ok(credits >= 3n, err);
      assert.deepEqual([json.paid.credits, json.paid.creditsLeft], [
        String(credits),
        String(1_000n - charged()),
      ]);
      const verified = await payer.run("verify-receipt", json.receipt);
      assert.equal(verified.code, 0, verified.err);
      assert.ok(
        verified.out.includes(`${credits} credits up to credit ${charged()} of lane ${lane}`),
      );
    },
  );

  await t.step("one that ends early costs one, whatever was offered", async () => {
    const before = charged();
    const { code, out, err } = await callFor8(`${NAME}/${stream}?0`);
    assert.deepEqual([code, out], [0, "begun\nended\n"], err);
    assert.equal(await taken(before, err), 1n);
  });

  await t.step("without --credits it ends with the first, and how to go on is told", async () => {
    const more =
      /the run took 1 credit, and was ended then: --pay --credits N pays for more, 8 at most/;
    const before = charged();
    const late = await payer.run("call", "--pay", `${NAME}/${longRun}?30`);
    assert.equal(late.code, 0);
    assert.match(late.out, /"error": "program_timeout"/);
    assert.match(late.err, more);
    const cut = await payer.run("call", "--pay", `${NAME}/${stream}?30`);
    assert.equal(cut.out, "begun\n");
    assert.match(cut.err, more);
    assert.match(cut.err, /^khachapuri: the answer was cut off: .* \(program_timeout\)\n$/);
    assert.equal(cut.code, 8);
    const quick = await payer.run("call", "--pay", `${NAME}/${stream}?0`);
    assert.deepEqual([quick.code, quick.err], [0, ""]);
    assert.deepEqual([charged(), await known()], [before + 3n, before + 3n]);
  });

  await t.step("--credits where nothing is paid is refused, not ignored", async () => {
    for (const flags of [[], ["--no-pay"]]) {
      const { code, err } = await payer.run(
        "call",
        ...flags,
        "--credits",
        "2",
        `${NAME}/${stream}`,
      );
      assert.equal(code, 2);
      assert.match(err, /--credits says how many you pay for: it goes with --pay/);
    }
  });

  await t.step("more than a run takes is not signed for, and fewer end it", async () => {
    const before = charged();
    const many = await payer.run("call", "--pay", "--credits", "9", `${NAME}/${stream}?0`);
    assert.equal(many.code, 3);
    assert.match(many.err, /a run of this deployment takes 8 credits at most, not 9/);
    assert.equal(charged(), before);
    const short = await payer.run("call", "--pay", "--credits", "2", `${NAME}/${stream}?30`);
    assert.equal(short.out, "begun\n");
    assert.match(
      short.err,
      /the run took 2 credits, and was ended then: --pay --credits N pays for more/,
    );
    assert.equal(await taken(before, short.err), 2n);
  });

  await t.step("a caller that leaves knows what it was charged", async () => {
    const before = charged();
    const args = ["call", "--pay", "--credits", "8", `${NAME}/${stream}?60`, "-m", "1.5"];
    const { code, err } = await payer.run(...args);
    assert.notEqual(code, 0);
    assert.ok(await taken(before, err) >= 1n);
  });

  await t.step("two at once share a lane, and each credit is charged once", async () => {
    const before = charged();
    const call = () => callFor8(`${NAME}/${stream}?22`);
    for (const { code, out, err } of await Promise.all([call(), call()])) {
      assert.deepEqual([code, out], [0, "begun\nended\n"], err);
    }
    assert.ok(charged() >= before + 6n);
    assert.equal(await known(), charged());
  });

  await t.step("whose count is lost is told it, and goes on", async () => {
    await Deno.remove(book);
    const before = charged();
    const { code, err } = await callFor8(`${NAME}/${stream}?12`);
    assert.equal(code, 0, err);
    assert.ok(await taken(before, err) >= 2n);
  });

  await t.step("under a key an answer of several credits is not kept", async () => {
    const own = `0x${"5a".repeat(32)}` as const;
    const headers = {
      ...await market.pay(accounts.payer, { lane: own, credits: 8n }),
      "idempotency-key": "one",
    };
    const first = await market.call(`${longRun}?12`, { headers });
    assert.equal(await first.text(), "ended\n");
    const paid = charged(own);
    assert.ok(paid >= 2n);
    const again = await market.call(`${longRun}?12`, { headers });
    assert.equal(again.status, 409);
    const { error, message } = await again.json();
    assert.equal(error, "idempotency_conflict");
    assert.match(message, /not kept/);
    assert.equal(charged(own), paid);
  });

  await t.step("who has nothing is told to allow as many as the run may take", async () => {
    await using poor = await openPerson(market, privateKeyOf(accounts.stranger));
    const fields = { limits: { ...LIMITS, credits: 500 }, access: "payer" };
    const cid = await market.deploy({ files: { main: STREAM }, fields });
    const { code, err } = await poor.run("call", "--pay", "--credits", "200", `${NAME}/${cid}`);
    assert.equal(code, 5);
    assert.match(err, / needs 0\.2 USDC in its wallet$/m);
  });

  await t.step("an allowance that runs out ends a run", async () => {
    const key = generatePrivateKey();
    const poor = privateKeyToAccount(key);
    await giveEther(chain, poor.address);
    await fund(market, poor, 3n);
    await using home = await openPerson(market, key);
    const few = await home.run("call", "--pay", "--credits", "4", `${NAME}/${stream}?30`);
    assert.equal(few.code, 5);
    assert.match(few.err, /3 credits left with this provider, and the run may take 4/);
    const own = `0x${"6b".repeat(32)}` as const;
    const headers = await market.pay(poor, { lane: own, credits: 8n });
    const late = await market.call(`${longRun}?60`, { headers });
    assert.equal(late.status, 504);
    assert.match(
      (await late.json()).message,
      /no further credit was to be had: .* has no credits left/,
    );
    assert.equal(charged(own), 3n);
  });

  let ownersLane: Hex = lane;
  await t.step("the owner pays for the others' runs, and is told what each took", async () => {
    await using owner = await openPerson(market, privateKeyOf(market.accounts.owner));
    const dir = await writeProgram(owner.dir, LONG_RUN);
    const deployed = await owner.run(
      "deploy",
      dir,
      "--provider",
      NAME,
      "--accept-terms",
      "--interface",
      "cgi",
      "--timeout",
      "1",
      "--credits",
      "8",
    );
    assert.equal(deployed.code, 0, deployed.err);
    const [cid] = deployed.out.split("\n");
    const { code, out, err } = await payer.run("call", `${NAME}/${cid}?15`);
    assert.deepEqual([code, out, err], [0, "ended\n", ""]);
    const { id } = (await owner.run("deployments", cid!, "--json")).json.deployments[0];
    ownersLane = deploymentLane(id);
    const paid = charged(ownersLane);
    assert.ok(paid >= 2n);
    assert.match(
      (await owner.run("logs", cid!)).out,
      new RegExp(`exit 0, .*, ${paid} credits$`, "m"),
    );
  });

  await t.step("what is settled is what was charged", async () => {
    await market.provider.stop();
    const { provider } = accounts;
    const settled = await readConsumed(chain, escrow, address, provider.address, lane);
    assert.deepEqual([settled, settled], [charged(), await known()]);
    const { owner } = accounts;
    const owners = await readConsumed(chain, escrow, owner.address, provider.address, ownersLane);
    assert.equal(owners, charged(ownersLane));
  });

  await t.step("where each credit is mined first, no run takes a second", async () => {
    await market.restart({ settlement: { mode: "each" } });
    const refused = await market.call(`${stream}?0`);
    assert.equal(refused.status, 422);
    assert.match((await refused.json()).message, /^limits\.credits is 8, and here a run takes one/);
    await nameIt(market);
    await using owner = await openPerson(market, privateKeyOf(accounts.owner));
    const dir = await writeProgram(owner.dir, STREAM);
    const args = ["deploy", dir, "--provider", NAME, "--accept-terms", "--credits", "2"];
    const { code, err } = await owner.run(...args);
    assert.equal(code, 3);
    assert.match(err, /paolo\.khachapuri gives a run one credit only/);
    assert.equal((await owner.run("deployments")).out, "nothing was deployed from here yet\n");
  });
});

Deno.test("a rehearsal lasts as long as all of its credits", async () => {
  await using home = await openHome({}, {});
  await Deno.writeTextFile(join(home.dir, "main"), STREAM, { mode: 0o755 });
  const run = (...flags: string[]) => home.run("run", "--timeout", "1", ...flags, home.dir, "/?12");
  const short = await run();
  assert.notEqual(short.code, 0);
  assert.equal(short.out, "begun\n");
  const long = await run("--credits", "3");
  assert.deepEqual([long.code, long.out], [0, "begun\nended\n"], long.err);
});
