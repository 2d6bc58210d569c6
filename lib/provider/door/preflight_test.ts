import assert from "node:assert/strict";
import { join } from "node:path";
import { FAKE_ESCROW } from "../../../worlds/chain/fake_chain.ts";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { FAKE_USDC, GAS_PRICE } from "../../../worlds/chain/served_chain.ts";
import { openProviderHome, type ProviderHome, TERMS } from "../../../worlds/provider_home.ts";
import { TERMS_TEMPLATE } from "../../cli/init_files.ts";
import { type Config, parseConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { TERMS_BYTES_MAX } from "../../limits.ts";
import { readKeyFile, writeKeyFile } from "../../spec/keys.ts";
import { termsHash } from "../../spec/terms.ts";
import type { Finding } from "./findings.ts";
import { groundOf, preflight } from "./preflight.ts";

const PARTS = ["keys", "chain", "sandbox", "state", "terms", "operator", "collector"];
const DAY_SECONDS = 86_400n;
/** Unix seconds. */
const NOW = 1_700_000_000n;

const look = ({ keysPath }: ProviderHome, config: Config) =>
  preflight({ config, keysPath, now: () => Number(NOW) * 1_000 });
const partsOf = (all: readonly Finding[]) => all.map(({ part }) => part);
const badOf = (all: readonly Finding[]) => all.filter(({ state }) => state === "bad");

/** One thing that is broken, and what is then said. */
interface Breakage {
  what: string;
  part: string;
  says: RegExp;
  code: string;
  /** What cannot be looked at any more. */
  hides?: string[];
  settings?: Record<string, unknown>;
  make?: (home: ProviderHome) => unknown;
}

const BREAKAGES: readonly Breakage[] = [
  {
    what: "a key file that is missing",
    part: "keys",
    says: /no key file.*from a backup.*khachapuri init.*register --print.*every owner deploys/s,
    code: "not_found",
    hides: ["operator"],
    make: ({ keysPath }) => Deno.remove(keysPath),
  },
  {
    what: "a key file without an identity",
    part: "keys",
    says: /holds no age identity.*keys rotate/s,
    code: "invalid_config",
    hides: ["operator"],
    make: async ({ keysPath }) => {
      const { account } = await readKeyFile(keysPath);
      await Deno.remove(keysPath);
      await writeKeyFile(keysPath, { version: 1, account: account! });
    },
  },
  {
    what: "a key file that others can read",
    part: "keys",
    says: /others can use the keys.*chmod 600/s,
    code: "insecure_key_file",
    hides: ["operator"],
    make: ({ keysPath }) => Deno.chmod(keysPath, 0o644),
  },
  {
    what: "a chain that does not answer",
    part: "chain",
    says: /127\.0\.0\.1/,
    code: "chain_unavailable",
    hides: ["operator", "collector"],
    make: ({ chain }) => chain.answers.isUp = false,
  },
  {
    what: "a chain without our contracts",
    part: "chain",
    says: /no contract at the escrow.*is this the right --rpc/s,
    code: "invalid_config",
    hides: ["operator", "collector"],
    make: ({ chain }) => chain.answers.hasEscrow = false,
  },
  {
    what: "a launcher that is missing",
    part: "sandbox",
    says: /nowhere/,
    code: "sandbox_unavailable",
    settings: { sandbox: { launcherPath: "/nowhere/bwrap" } },
  },
  {
    what: "terms that are missing",
    part: "terms",
    says: /terms\.txt can't be read/,
    code: "not_found",
    make: ({ dir }) => Deno.remove(join(dir, "terms.txt")),
  },
  {
    what: "terms that are too large",
    part: "terms",
    says: /terms have at most/,
    code: "invalid_config",
    make: ({ dir }) => Deno.writeFile(join(dir, "terms.txt"), new Uint8Array(TERMS_BYTES_MAX + 1)),
  },
  {
    what: "terms that are the example still",
    part: "terms",
    says: /terms\.txt is still the example.*delete its last paragraph/s,
    code: "invalid_config",
    make: ({ dir }) => Deno.writeTextFile(join(dir, "terms.txt"), TERMS_TEMPLATE("paolo.eth")),
  },
  {
    what: "an operator without its right",
    part: "operator",
    says: /may not settle for the provider.*khachapuri operator add 0x/s,
    code: "access_denied",
    make: ({ chain }) => chain.answers.isOperator = false,
  },
];

Deno.test("a machine in good health is found so, part by part, and nothing is changed", async () => {
  await using home = await openProviderHome();
  const before = await Array.fromAsync(Deno.readDir(home.dir));
  const { findings, seen } = await look(home, home.config());
  assert.deepEqual(partsOf(findings.all), PARTS);
  assert.deepEqual(badOf(findings.all), []);
  const { connected, terms, operator: { account } } = groundOf({ findings, seen });
  assert.equal(connected.contracts.escrow, FAKE_ESCROW);
  assert.deepEqual([...terms], [[termsHash(TERMS), TERMS]]);
  assert.equal(account.address, ACCOUNTS.operator.address);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(home.dir)), before);
});

for (const { what, part, says, code, hides = [], settings, make } of BREAKAGES) {
  Deno.test(`preflight finds ${what}, and looks at the rest besides`, async () => {
    await using home = await openProviderHome();
    await make?.(home);
    const found = await look(home, home.config(settings));
    const [bad, ...more] = badOf(found.findings.all);
    assert.deepEqual([bad!.part, more], [part, []]);
    assert.match([bad!.detail, ...bad!.hints].join("\n"), says);
    const others = PARTS.filter((other) => !hides.includes(other));
    assert.deepEqual(partsOf(found.findings.all), others);
    assert.throws(() => groundOf(found), { code });
  });
}

Deno.test("with everything broken each part says so, and the first is what serve fails with", async () => {
  await using home = await openProviderHome();
  for (const { make } of BREAKAGES.filter(({ part }) => part !== "keys")) await make?.(home);
  home.chain.answers.isUp = true;
  const settings = { sandbox: { launcherPath: "/nowhere/bwrap" } };
  const found = await look(home, home.config(settings));
  assert.deepEqual(partsOf(badOf(found.findings.all)), ["chain", "sandbox", "terms"]);
  assert.throws(() => groundOf(found), /no contract at the escrow/);
});

Deno.test("what was found neither good nor bad is a mistake of ours", async () => {
  await using home = await openProviderHome();
  const { findings, seen } = await look(home, home.config());
  const ground = () => groundOf({ findings, seen: { ...seen, terms: null } });
  assert.throws(ground, (error) => !(error instanceof KhachapuriError));
});

Deno.test("an operator that runs out of gas is told before it is too late", async () => {
  await using home = await openProviderHome();
  const balances: [bigint, Finding["state"]][] = [
    [20_000_000n * GAS_PRICE, "good"],
    [20_000_000n * GAS_PRICE - 1n, "doubtful"],
  ];
  for (const [balance, state] of balances) {
    home.chain.answers.balance = balance;
    const found = await look(home, home.config());
    const operator = found.findings.all.find(({ part }) => part === "operator")!;
    assert.equal(operator.state, state);
    assert.equal(operator.hints.length, state === "good" ? 0 : 1);
    groundOf(found);
  }
});

/** What is said of a part. */
async function findingOf(home: ProviderHome, part: string, settings = {}): Promise<Finding> {
  const found = await look(home, home.config(settings));
  groundOf(found);
  return found.findings.all.find((finding) => finding.part === part)!;
}

Deno.test("an operator without a cap is advised to have one, and is good without", async () => {
  await using home = await openProviderHome();
  const { limits } = home.chain.answers;
  Object.assign(limits, { dailyCap: 5_000_000n, spent: 1_250_000n });
  const capped = await findingOf(home, "operator");
  assert.deepEqual([capped.state, capped.hints], ["good", []]);
  assert.match(capped.detail, /may settle: expires never, 1\.25 of 5 USDC settled today$/);
  limits.dailyCap = 0n;
  const free = await findingOf(home, "operator");
  assert.deepEqual([free.state, free.hints.length], ["good", 1]);
  assert.match(free.hints[0]!, /khachapuri operator add 0x\w{40} --daily-cap USDC$/);
  assert.match(free.detail, /may settle: expires never, unlimited a day$/);
});

Deno.test("an operator whose time ends soon is told before, one whose time has ended is bad", async () => {
  await using home = await openProviderHome();
  const { limits } = home.chain.answers;
  const times: [bigint, Finding["state"]][] = [
    [NOW + 14n * DAY_SECONDS, "good"],
    [NOW + 14n * DAY_SECONDS - 1n, "doubtful"],
  ];
  for (const [expiry, state] of times) {
    limits.expiry = expiry;
    const operator = await findingOf(home, "operator");
    assert.equal(operator.state, state);
    assert.match(operator.detail, /may settle: until 2023-11-28T\d\d:13:\d\dZ, 0 of 50 USDC/);
    assert.equal(/operator add 0x\w{40} --expires/.test(operator.hints.join()), state !== "good");
  }
  Object.assign(home.chain.answers, { isOperator: false });
  const found = await look(home, home.config());
  const [bad] = badOf(found.findings.all);
  assert.match(bad!.detail, /may not settle for the provider since 2023-11-28/);
});

Deno.test("a change of the collector that is under way is told with what to do against it", async () => {
  await using home = await openProviderHome();
  const { answers } = home.chain;
  const [owner, thief] = [ACCOUNTS.owner.address, ACCOUNTS.stranger.address];
  assert.match(
    (await findingOf(home, "collector")).detail,
    /go to whomever the provider key says$/,
  );
  answers.collector = { ...answers.collector, current: owner };
  const named = await findingOf(home, "collector");
  assert.deepEqual([named.state, named.detail], ["good", `earnings go to ${owner}`]);
  answers.collector = { current: owner, next: thief, since: NOW };
  const pending = await findingOf(home, "collector");
  assert.equal(pending.state, "doubtful");
  const [what, how] = pending.hints;
  assert.match(what!, new RegExp(`from 2023-11-14T22:13:20Z on they go to ${thief}.*stolen`));
  assert.match(how!, new RegExp(`khachapuri collector ${owner}, and then: khachapuri collect`));
});

Deno.test("the provider's own key may settle without being an operator", async () => {
  await using home = await openProviderHome();
  home.chain.answers.isOperator = false;
  home.chain.answers.limits = { expiry: 0n, dailyCap: 0n, spent: 0n };
  const settings = { address: ACCOUNTS.operator.address };
  assert.deepEqual((await findingOf(home, "operator", settings)).hints, []);
});

Deno.test("every terms text that is stood by is known by its hash, the newest first", async () => {
  await using home = await openProviderHome();
  const newer = new TextEncoder().encode("Be kinder.\n");
  await Deno.writeFile(join(home.dir, "newer.txt"), newer);
  const found = await look(home, home.config({ terms: ["newer.txt", "terms.txt"] }));
  const { terms } = groundOf(found);
  assert.deepEqual([...terms], [[termsHash(newer), newer], [termsHash(TERMS), TERMS]]);
  const told = found.findings.all.find(({ part }) => part === "terms")!;
  assert.ok(told.detail.endsWith(termsHash(newer)));
});

Deno.test({
  name: "a provider started by root is told when its programs cannot reach their folder",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using home = await openProviderHome();
    await Deno.chmod(home.dir, 0o700);
    const { findings } = await look(home, home.config());
    const [bad] = badOf(findings.all);
    assert.equal(bad!.part, "state");
    assert.deepEqual(bad!.hints[0], `chmod o+x ${home.dir}`);
  },
});

Deno.test("without a gateway a provider lives on what owners push, if they may", async () => {
  await using home = await openProviderHome();
  const config = { ...home.config(), gateways: [] };
  const pushed = await look(home, config);
  assert.deepEqual(partsOf(badOf(pushed.findings.all)), []);
  const told = pushed.findings.all.find(({ part }) => part === "gateway")!;
  assert.equal(told.state, "doubtful");
  assert.match(told.hints.join(), /pushed here/);

  const provider = { ...config.provider!, ipfs: { ...config.provider!.ipfs, push: false } };
  const without = await look(home, { ...config, provider });
  assert.deepEqual(partsOf(badOf(without.findings.all)), ["gateway"]);
  assert.throws(() => groundOf(without), /no IPFS gateway/);
});

Deno.test("who only pays does well without a gateway", async () => {
  await using home = await openProviderHome();
  const config = home.config();

  const { rpc, contracts } = config;
  const payers = parseConfig({ rpc, contracts }, home.dir);
  const { findings, seen } = await look(home, payers);
  assert.deepEqual(findings.all.map(({ part, state }) => [part, state]), [
    ["keys", "good"],
    ["chain", "good"],
    ["gateway", "good"],
  ]);
  assert.match(findings.all.at(-1)!.hints.join(), /none is needed to deploy and call/);
  assert.deepEqual([seen.sandbox, seen.terms, seen.operator], [null, null, null]);
});

Deno.test("a chain has to be configured, and its contracts may be named by flags", async () => {
  await using home = await openProviderHome();
  const { rpc } = home.config();
  const { keysPath, dir } = home;
  const unset = await look(home, parseConfig({}, dir));
  assert.match(unset.findings.all[1]!.hints.join(), /set "rpc" in config\.json/);
  const config = parseConfig({ rpc }, dir);
  assert.deepEqual(partsOf(badOf((await look(home, config)).findings.all)), ["chain"]);
  const named = { escrow: FAKE_ESCROW, usdc: FAKE_USDC };
  const { findings } = await preflight({ config, keysPath, named });
  assert.deepEqual(badOf(findings.all), []);
});
