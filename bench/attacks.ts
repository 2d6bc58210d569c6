/**
 * What strangers can cost a provider and its callers, with nothing but its URL: a neighbour's calls
 * while it is attacked, beside what the attack leaves. `--against=COMMIT` attacks that commit's
 * provider too, in turns within one run; `--only=WORDS` runs the attacks that have them in their
 * name. `--json` prints the same for machines.
 */
import { Encrypter, generateHybridIdentity, identityToRecipient } from "age-encryption";
import { zipSync } from "fflate";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { formatCid } from "../lib/cid.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { SPEC_OWNER_CREDITS_PER_MINUTE_MAX, STRANGER_LOOKUPS_BURST_MAX } from "../lib/limits.ts";
import {
  deploymentLane,
  permitToJson,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "../lib/permit.ts";
import { pause } from "../lib/pause.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { newDeploymentId, parseUnsignedSpec, specToJson } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { setBalance } from "../worlds/chain/anvil_calls.ts";
import { fund, PRICE } from "../worlds/chain/escrow_chain.ts";
import { randomBytes } from "../worlds/crowd_programs.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { sampleZip } from "../worlds/spec/sample_zip.ts";
import { type Latency, neighbour, publish, type Side, startSide, tell } from "./attacks_side.ts";
import { tinyPushes } from "./attacks_pushes.ts";
import { FLOODS } from "./attacks_floods.ts";
import { WIRE_ATTACKS, type WireAttack } from "./attacks_wire.ts";
import { type Checkout, checkOut, HERE, otherCommit } from "./checkout.ts";
import { atLeast, atMost, median, type Must, printReport, type Row } from "./report.ts";
import { startScarceGateway } from "./attacks_gateway.ts";

const LIMITS = {
  timeoutMs: 5_000,
  memoryMb: 256,
  concurrency: 8,
  ownerCreditsPerMinute: SPEC_OWNER_CREDITS_PER_MINUTE_MAX,
};
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" }, fields: { limits: LIMITS } };
const QUIET_MS = 3_000;
/** Of attacks over the wire, which leave nothing behind; figures are medians. */
const WIRE_TURNS = 3;
/** Folders in each other above each file of the zip whose folders are only implied. */
const IMPLIED = { files: 2_000, depth: 31 };
const ENVELOPES = { files: 150, perSecond: 30, stanzas: 16 };
const LOOKUPS = 2_000;
/** What the scarce gateway lets us have in a minute. */
const SCARCE_PER_MINUTE = 100;
const SPAM_PER_SECOND = 150;
const SPAM_MS = 4_000;
const RECOVERY_MS = 75_000;
const OPENINGS = [{ programs: 4, mb: 60 }, { programs: 32, mb: 16 }];
const OPENINGS_OF_OWNER = 4;

interface World {
  market: Market;
  gateway: ReturnType<typeof startScarceGateway>;
  /** The neighbour's deployment. */
  hello: string;
}

/** One attack: makes its inputs once, then runs against any side. */
interface Attack {
  name: string;
  /** Whether the provider speaks TLS. */
  isSecured?: boolean;
  /** How often the neighbour is heard without it and with it, in turns; once without a number. */
  turns?: number;
  /** @returns what to show beside the neighbour's latency */
  run(side: Side, world: World): Promise<Row>;
  /** What it left, once the neighbour has stopped. */
  after?(side: Side, world: World): Promise<Row>;
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const against = otherCommit();
  const sides = against ? [await checkOut(against, dir), HERE] : [HERE];
  const gateway = startScarceGateway();
  stack.use(gateway);
  const settings = { settlement: { mode: "batch" } };
  const market = await startMarket({ settings, credits: 1_000_000n, gateways: [gateway.url] });
  stack.use(market);
  gateway.stand(market.gateway.url);
  await market.provider.stop();
  const world = { market, gateway, hello: await market.deploy(HELLO) };
  const rows: Row[] = [];
  const words = only();
  for (const attack of (await prepare(market)).filter(({ name }) => name.includes(words))) {
    for (const checkout of sides) rows.push(await attackOnce(world, attack, checkout));
  }
  printReport({ rows, must: requirements(rows) });
}

/** What the names of the attacks to run have in them. */
function only(): string {
  const flag = "--only=";
  return Deno.args.find((argument) => argument.startsWith(flag))?.slice(flag.length) ?? "";
}

async function attackOnce(world: World, attack: Attack, checkout: Checkout): Promise<Row> {
  await using side = await startSide(world.market, checkout, attack.isSecured);
  const { cert } = side;
  const url = `${side.url}/${world.hello}`;
  using client = Deno.createHttpClient({ caCerts: cert === null ? [] : [cert] });
  const warm = async () => void await (await fetch(url, { client })).text();
  for (let turn = 0; turn < 50; turn++) await warm();
  const memory = await side.memory();
  const quiet: Latency[] = [];
  const attacked: Latency[] = [];
  let shown: Row = {};
  for (let turn = 0; turn < (attack.turns ?? 1); turn++) {
    quiet.push((await neighbour({ url, cert }, QUIET_MS, () => Promise.resolve())).latency);
    const { value, latency } = await neighbour({ url, cert }, QUIET_MS, () => {
      return attack.run(side, world);
    });
    attacked.push(latency);
    shown = value;
  }
  const peak = (await side.memory()).peak - memory.now;
  const after = await attack.after?.(side, world) ?? {};
  return {
    attack: attack.name,
    provider: checkout.name,
    ...times("quiet", quiet),
    ...times("attacked", attacked),
    "longest ms": Math.max(...attacked.map(({ longest }) => longest)),
    failed: attacked.reduce((all, { failed }) => all + failed, 0),
    "MB more": peak,
    ...shown,
    ...after,
  };
}

function times(name: string, all: readonly Latency[]): Row {
  return {
    [`${name} p50`]: median(all.map(({ p50 }) => p50)),
    [`${name} p99`]: median(all.map(({ p99 }) => p99)),
  };
}

async function prepare(market: Market): Promise<Attack[]> {
  return [
    await inodes(market),
    await envelopes(market),
    ...await Promise.all(OPENINGS.map((size) => openings(market, size))),
    lookups(),
    scarcity(),
    tinyPushes(),
    ...[...WIRE_ATTACKS, ...FLOODS].map(overTheWire),
  ];
}

function overTheWire({ name, isSecured = false, run }: WireAttack): Attack {
  return {
    name,
    isSecured,
    turns: WIRE_TURNS,
    async run({ url }, { hello }) {
      await run(new URL(url), `/${hello}`);
      return {};
    },
  };
}

/** A zip whose folders are only implied, and whose entrypoint is missing. */
async function inodes(market: Market): Promise<Attack> {
  const { files, depth } = IMPLIED;
  const zip = sampleZip(Array.from({ length: files }, (_, index) => {
    const folders = Array.from({ length: depth }, () => index.toString(36));
    return { name: `${folders.join("/")}/f`, data: "x" };
  }));
  const cid = await publish(market, zip);
  const spec = await market.spec(HELLO);
  const deployed = await market.publishSpec({
    ...spec,
    program: { ...spec.program, cid } as never,
  });
  return {
    name: "inodes",
    run: async (side) => ({ status: (await get(side, deployed)).status }),
    async after(side) {
      const { inodes, mb } = await side.disk("programs");
      return { inodes, "disk MB": mb, "start ms": await side.restart() };
    },
  };
}

/** Files with sixteen post-quantum stanzas, none of them for the provider. */
async function envelopes(market: Market): Promise<Attack> {
  const encrypter = new Encrypter();
  for (let stanza = 0; stanza < ENVELOPES.stanzas; stanza++) {
    encrypter.addRecipient(await identityToRecipient(await generateHybridIdentity()));
  }
  const cids: string[] = [];
  for (let file = 0; file < ENVELOPES.files; file++) {
    cids.push(await publish(market, await encrypter.encrypt(`nothing ${file}`)));
  }
  return {
    name: "envelopes",
    run: async (side) => {
      const statuses = await spam(side, cids, ENVELOPES.perSecond);
      const { inodes } = await side.disk("cache");
      return { status: tell(statuses), "cache files": inodes };
    },
  };
}

/** Large programs, opened all at once. */
async function openings(
  market: Market,
  { programs, mb }: { programs: number; mb: number },
): Promise<Attack> {
  const bulk = randomBytes(mb * 1_000_000);
  const cids: string[] = [];
  let owner: LocalAccount = market.accounts.owner;
  for (let index = 0; index < programs; index++) {
    if (index % OPENINGS_OF_OWNER === 0) owner = await newOwner(market);
    const main = new TextEncoder().encode(`#!/bin/sh\necho ${index}\n`);
    const attrs = 0o100755 * 0x10000;
    const zip = zipSync({ bulk: [bulk, { level: 0 }], main: [main, { attrs }] }, { os: 3 });
    cids.push(await deployFor(market, owner, await publish(market, zip)));
  }
  return {
    name: `${programs} openings of ${mb} MB`,
    async run(side) {
      const at = performance.now();
      const answers = await Promise.all(cids.map((cid) => get(side, cid)));
      const statuses = answers.map(({ status }) => status);
      return { status: tell(statuses), "whole ms": performance.now() - at };
    },
  };
}

async function newOwner(market: Market): Promise<LocalAccount> {
  const account = privateKeyToAccount(generatePrivateKey());
  await setBalance(market.chain, account.address, 10n ** 18n);
  await fund(market, account);
  return account;
}

async function deployFor(
  { accounts, chain, escrow, recipient, spec, gateway }: Market,
  owner: LocalAccount,
  program: string,
): Promise<string> {
  const sample = await spec(HELLO);
  const id = newDeploymentId();
  const permit = await signPermit(owner, { chainId: chain.chainId, escrow }, {
    payer: owner.address,
    provider: accounts.provider.address,
    lane: deploymentLane(id),
    price: PRICE,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 0,
  });
  const unsigned = parseUnsignedSpec({
    ...specToJson(sample),
    id,
    owner: owner.address,
    program: { cid: program, entrypoint: "./main", args: [] },
    providers: sample.providers.map((entry) => ({ ...entry, permit: permitToJson(permit) })),
  });
  const sealed = await sealSpec(await signSpec(unsigned, owner), [recipient]);
  const { root, blocks } = importFile(sealed);
  await gateway.put(blocks);
  return formatCid(root);
}

/** Cids that nobody has, as fast as they go. */
function lookups(): Attack {
  return {
    name: `${LOOKUPS} lookups`,
    async run(side, { gateway }) {
      const before = gateway.asked();
      const statuses: number[] = [];
      const cids = Array.from({ length: LOOKUPS }, () => randomCid());
      const worker = async () => {
        for (let cid = cids.pop(); cid; cid = cids.pop()) {
          statuses.push((await get(side, cid)).status);
        }
      };
      await Promise.all(Array.from({ length: 16 }, worker));
      return { status: tell(statuses), "gateway requests": gateway.asked() - before };
    },
  };
}

/**
 * The gateway has little for anybody, and somebody asks for much: does what is newly deployed run,
 * meanwhile and once the gateway has recovered?
 */
function scarcity(): Attack {
  return {
    name: "scarce gateway",
    async run(side, { gateway, market }) {
      const honest = await market.deploy(HELLO);
      const before = gateway.asked();
      gateway.limit(SCARCE_PER_MINUTE);
      // Half of what there will be has come by the time that the other is asked for.
      const cids = Array.from({ length: SPAM_PER_SECOND * SPAM_MS / 1_000 }, () => randomCid());
      const spamming = spam(side, cids, SPAM_PER_SECOND);
      await pause(SPAM_MS / 2);
      const at = performance.now();
      const isServed = await succeeds(side, honest, 8_000);
      const took = performance.now() - at;
      await spamming;
      return {
        "gateway requests": gateway.asked() - before,
        "new served": isServed ? 1 : 0,
        "new ms": took,
      };
    },
    async after(side, { gateway, market }) {
      gateway.limit(Infinity);
      const at = performance.now();
      const isServed = await succeeds(side, await market.deploy(HELLO), RECOVERY_MS);
      return { "recovered ms": isServed ? performance.now() - at : Infinity };
    },
  };
}

/** Somebody else's calls, from another address than the attacker's, until one succeeds. */
async function succeeds(side: Side, cid: string, withinMs: number): Promise<boolean> {
  using client = Deno.createHttpClient({ localAddress: "127.0.0.2" });
  for (const until = performance.now() + withinMs; performance.now() < until;) {
    const response = await fetch(`${side.url}/${cid}`, { client });
    await response.body?.cancel();
    if (response.status === 200) return true;
    await pause(500);
  }
  return false;
}

async function spam(side: Side, cids: readonly string[], perSecond: number): Promise<number[]> {
  const sent: Promise<{ status: number }>[] = [];
  for (const cid of cids) {
    sent.push(get(side, cid));
    await pause(1_000 / perSecond);
  }
  return (await Promise.all(sent)).map(({ status }) => status);
}

async function get(side: Side, cid: string): Promise<{ status: number }> {
  const response = await fetch(`${side.url}/${cid}`);
  await response.body?.cancel();
  return { status: response.status };
}

function randomCid(): string {
  return formatCid(importFile(crypto.getRandomValues(new Uint8Array(32))).root);
}

function requirements(rows: readonly Row[]): Must[] {
  const own = rows.filter(({ provider }) => provider === HERE.name);
  /** None where the attack was not run. */
  const left = (attack: string, column: string, judge: (figure: number) => Must): Must[] => {
    const row = own.find((each) => String(each.attack) === attack);
    return row ? [judge(Number(row[column]))] : [];
  };
  return [
    ...own.map((row) => {
      const times = Number(row["attacked p99"]) / Number(row["quiet p99"]);
      return atMost(`${row.attack}: a neighbour's p99`, times, "of its p99 without", 3);
    }),
    ...left("inodes", "inodes", (count) => atMost("inodes: left", count, "inodes", 10)),
    ...left("inodes", "start ms", (ms) => atMost("inodes: start after it", ms, "ms", 10_000)),
    ...OPENINGS.flatMap(({ programs, mb }) => {
      const attack = `${programs} openings of ${mb} MB`;
      return left(attack, "MB more", (more) => atMost(`${attack}: memory`, more, "MB", 450));
    }),
    ...left(`${LOOKUPS} lookups`, "gateway requests", (asked) => {
      const most = 2 * STRANGER_LOOKUPS_BURST_MAX;
      return atMost(`${LOOKUPS} lookups: asked of the gateway`, asked, "requests", most);
    }),
    ...left("scarce gateway", "new served", (served) => {
      return atLeast("scarce gateway: new served", served, "of 1", 1);
    }),
    ...left("scarce gateway", "recovered ms", (ms) => {
      return atMost("scarce gateway: recovered", ms, "ms", 65_000);
    }),
  ];
}

await main();
