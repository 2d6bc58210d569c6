import assert from "node:assert/strict";
import { join } from "node:path";
import { formatRecords, type ProviderTexts } from "../../chain/record.ts";
import { FAKE_ESCROW } from "../../../worlds/chain/fake_chain.ts";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { ID, sale } from "../../../worlds/ledger.ts";
import { openProviderHome, type ProviderHome, TERMS } from "../../../worlds/provider_home.ts";
import { type Config, parseConfig } from "../../config.ts";
import { KEEP_NOTHING } from "../../keep.ts";
import { generateIdentity, recipientOf, renewKeys } from "../../spec/keys.ts";
import type { CidText } from "../../cid.ts";
import { termsHash } from "../../spec/terms.ts";
import { openRecords, recordsPath } from "../deployment/records.ts";
import { makeFolders } from "../../files.ts";
import { openStore } from "../ledger/store.ts";
import { findRuntimes } from "../program/runtimes.ts";
import { checkup } from "./checkup.ts";

const SERVER = await startFleetServer();

/** What answers at an origin: a status, or nothing. */
type Answers = Readonly<Record<string, (path: string) => Response>>;

const serves = (path: string) => new Response("", { status: path === "/healthz" ? 200 : 404 });

/** The web as a machine sees it; the gateway's own origin is served for real. */
function web(answers: Answers): { fetch: typeof fetch; asked: string[] } {
  const asked: string[] = [];
  const request = (input: string) => {
    asked.push(input);
    const { origin, pathname, search } = new URL(input);
    const answer = answers[origin];
    if (!answer) return Promise.reject(new TypeError("connection refused"));
    return Promise.resolve(answer(`${pathname}${search}`));
  };
  return { fetch: request as typeof fetch, asked };
}

const GATEWAY = "https://gateway.test";
const HERE = "https://provider.test";
const WELL: Answers = { [GATEWAY]: () => new Response(""), [HERE]: serves };

/** What programs find here is the same in each test. */
let found: ReturnType<typeof findRuntimes> | null = null;
const findOnce: typeof findRuntimes = (host, memoryMb) => found ??= findRuntimes(host, memoryMb);

function look({ keysPath }: ProviderHome, config: Config, answers: Answers = WELL) {
  return checkup({
    config: { ...config, gateways: [GATEWAY] },
    keysPath,
    ...web(answers),
    findRuntimes: findOnce,
  });
}

Deno.test("everything is looked at, and told in the order in which one would mend it", async () => {
  await using home = await openProviderHome();
  const parts = (await look(home, home.config())).map(({ part }) => part);
  assert.deepEqual(parts, [
    "keys",
    "chain",
    `rpc ${home.chain.rpc}`,
    `gateway ${GATEWAY}`,
    "sandbox",
    "servers",
    "runtimes",
    "state",
    "terms",
    "operator",
    "collector",
    "earnings",
    "exact",
    "name",
    "dns",
    "web domain",
    "running",
  ]);
});

Deno.test("of a fleet its database is looked at, too", async () => {
  await using home = await openProviderHome();
  const config = home.config({
    fleet: { node: "n1", listen: "127.0.0.1:8403" },
    ledger: { postgres: "postgres://nino@127.0.0.1:1/books" },
  });
  const findings = await look(home, config);
  const parts = findings.map(({ part }) => part);
  assert.equal(parts.indexOf("fleet database"), parts.indexOf("operator") - 1);
  const { state, detail } = findings.find(({ part }) => part === "fleet database")!;
  assert.equal(state, "bad");
  assert.match(detail, /127\.0\.0\.1:1\/books does not answer/);
});

Deno.test({
  name: "the ledger that a fleet's node had when it was alone is told of until it is imported",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    await using home = await openProviderHome();
    const config = home.config({
      fleet: { node: "n1", listen: "127.0.0.1:8403" },
      ledger: { postgres: world.uri },
    });
    const told = async () =>
      (await look(home, config)).find(({ part }) => part === "fleet ledger")?.state;
    const book = join(home.dir, "state", "book");
    await makeFolders(book, 0o700);
    const store = await openStore(join(book, "ledger.db"));
    await store.write([{ kind: "open", ...ID, charged: 0n }, ...sale(1)], "disk");
    await store.close();
    assert.equal(await told(), "doubtful");
    await world.database.ask("INSERT INTO imports (word, done) VALUES ('', true)");
    assert.equal(await told(), undefined);
  },
});

Deno.test("a machine in good health has nothing bad, and its name says what it does", async () => {
  await using home = await openProviderHome();
  const findings = await look(home, home.config());
  assert.deepEqual(findings.filter(({ state }) => state === "bad"), []);
  const details = Object.fromEntries(findings.map(({ part, detail }) => [part, detail]));
  assert.equal(details[`gateway ${GATEWAY}`], "serves blocks");
  assert.equal(details.name, "provider.test says what config.json says");
  assert.equal(details["web domain"], "https://provider.test/ serves");
});

Deno.test("each gateway is asked for the block that all have, and answers for itself", async () => {
  await using home = await openProviderHome();
  const { keysPath } = home;
  const gateways = ["https://good.test/", "https://gone.test", "https://bad.test/base/"];
  const { fetch, asked } = web({
    ...WELL,
    "https://good.test": () => new Response(""),
    "https://bad.test": () => new Response("<html>", { status: 200 }),
  });
  const found = await checkup({ config: { ...home.config(), gateways }, keysPath, fetch });
  const told = found.filter(({ part }) => part.startsWith("gateway"));
  assert.deepEqual(told.map(({ part, state, detail }) => [part, state, detail]), [
    ["gateway https://good.test", "good", "serves blocks"],
    ["gateway https://gone.test", "bad", "it can't be reached: nothing listens there"],
    ["gateway https://bad.test", "bad", "it answered 200 with 6 bytes to an empty block"],
  ]);
  assert.match(told[2]!.hints.join(), /trustless gateway/);
  assert.ok(asked.includes("https://good.test/ipfs/bafkqaaa?format=raw"));
  assert.ok(asked.includes("https://bad.test/base/ipfs/bafkqaaa?format=raw"));
});

Deno.test("a gateway that has an error to answer is bad", async () => {
  await using home = await openProviderHome();
  const found = await look(home, home.config(), {
    ...WELL,
    [GATEWAY]: () => new Response("", { status: 500 }),
  });
  const gateway = found.find(({ part }) => part.startsWith("gateway"))!;
  assert.equal(gateway.error!.code, "ipfs_unavailable");
});

Deno.test("what the name says otherwise than config.json is told, all of it", async () => {
  await using home = await openProviderHome();
  const { chainId } = home.chain.fake.chain;
  const well: ProviderTexts = {
    webDomain: HERE,
    recipients: [home.recipient],
    price: 1_000n,
    terms: termsHash(TERMS),
    escrow: { chainId, address: FAKE_ESCROW },
  };
  const other = await recipientOf(await generateIdentity("x25519"));
  const differences: [Partial<ProviderTexts>, RegExp][] = [
    [{ webDomain: "https://other.test" }, /its url is https:\/\/other\.test, here https/],
    [{ price: 2_000n }, /its price is 0\.002, here 0\.001/],
    [{ recipients: [other] }, /a recipient whose identity is not in the key file/],
    [
      { terms: `0x${"11".repeat(32)}` },
      /its terms 0x1{64} are not among the configured ones: a text that was changed/,
    ],
    [{ escrow: { chainId, address: ACCOUNTS.payer.address } }, /its escrow is eip155:\d+:0x/],
  ];
  const nameOf = async (address: `0x${string}`, texts: Partial<ProviderTexts>) => {
    home.chain.answers.records = { address, texts: formatRecords({ ...well, ...texts }) };
    return (await look(home, home.config())).find(({ part }) => part === "name")!;
  };
  const { address } = ACCOUNTS.provider;
  for (const [texts, says] of differences) {
    const { state, detail, hints } = await nameOf(address, texts);
    assert.equal(state, "bad");
    assert.match(detail, says);
    assert.ok(!detail.includes(";"), detail);
    assert.match(hints.join(), /khachapuri register/);
  }
  const all = Object.assign({}, ...differences.map(([texts]) => texts));
  const { detail } = await nameOf(ACCOUNTS.payer.address, all);
  for (const [, says] of differences) assert.match(detail, says);
  assert.match(detail, /its address is 0x/);
  // The same address on another chain is another escrow.
  const moved = await nameOf(address, { escrow: { chainId: 8_453, address: FAKE_ESCROW } });
  assert.match(moved.detail, /its escrow is eip155:8453:0x\w{40}, here eip155:\d+:0x\w{40}$/);
  assert.equal((await nameOf(address, { terms: null, escrow: null })).state, "good");
});

Deno.test("who a dearer price leaves behind is counted, with what to do", async () => {
  await using home = await openProviderHome();
  const { cid, spec } = await home.deploy("echo");
  const stateDir = join(home.dir, "state");
  await Deno.mkdir(join(stateDir, "book"), { recursive: true });
  const { permit: { price }, terms } = spec.providers[0]!;
  const records = openRecords(recordsPath(stateDir));
  const keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };
  records.tariffs.begin({ price, terms: [terms], keep });
  records.registrations.add({ cid: cid as CidText, spec, entry: spec.providers[0]! });
  records.close();
  const at = async (settings: Record<string, unknown>) =>
    (await look(home, home.config(settings))).find(({ part }) => part === "deployments")!;
  assert.equal((await at({ price: String(price) })).state, "good");
  const dearer = { price: String(price + 1n) };
  const refused = await at(dearer);
  assert.deepEqual([refused.state, refused.detail], [
    "doubtful",
    "1 paid for here, 1 refused by price or terms",
  ]);
  const kept = await at({ ...dearer, keepPrice: "2100-01-01T00:00:00Z" });
  assert.match(kept.hints.join(), /at an earlier price than 1\.000001 USDC, the first until 2100-/);
  assert.equal((await at({ ...dearer, keepPrice: "forever" })).state, "good");
});

Deno.test("an earlier recipient on the name is told once another is first", async () => {
  await using home = await openProviderHome();
  const newer = await generateIdentity("x25519");
  await renewKeys(home.keysPath, (keys) => ({ ...keys, identities: [newer, ...keys.identities!] }));
  const name = (await look(home, home.config())).find(({ part }) => part === "name")!;
  assert.match(name.detail, /it publishes an earlier recipient/);
  assert.match(name.hints.join(), /register --print/);
});

Deno.test("a name that publishes a key which is gone is told where that may still lie", async () => {
  await using home = await openProviderHome();
  const newer = await generateIdentity("x25519");
  const kept = await renewKeys(home.keysPath, (keys) => ({ ...keys, identities: [newer] }));
  const name = (await look(home, home.config())).find(({ part }) => part === "name")!;
  assert.match(name.detail, /a recipient whose identity is not in the key file/);
  assert.ok(name.hints.join("\n").includes(`answered 421: put its identity back from ${kept}`));
  await Deno.remove(kept);
  const unkept = (await look(home, home.config())).find(({ part }) => part === "name")!;
  assert.match(unkept.hints.join("\n"), /back from a backup of the key file[^]*register --print/);
});

Deno.test("a name that nobody registered is bad, and the machine is looked at all the same", async () => {
  await using home = await openProviderHome();
  home.chain.answers.records = null;
  const findings = await look(home, home.config());
  const bad = findings.filter(({ state }) => state === "bad");
  assert.deepEqual(bad.map(({ part, error }) => [part, error!.code]), [["name", "not_found"]]);
  assert.equal(findings.at(-2)!.part, "web domain");
});

Deno.test("a provider that does not serve yet is no fault, but worth a word", async () => {
  await using home = await openProviderHome();
  const cases: [Answers, RegExp][] = [
    [{ ...WELL, [HERE]: () => new Response("", { status: 502 }) }, /healthz answers 502/],
    [{ [GATEWAY]: WELL[GATEWAY]! }, /nobody answers at https:\/\/provider\.test/],
  ];
  for (const [answers, says] of cases) {
    const found = await look(home, home.config(), answers);
    const { state, detail, hints } = found.find(({ part }) => part === "web domain")!;
    assert.equal(state, "doubtful");
    assert.match(detail, says);
    assert.match(hints.join(), /khachapuri serve/);
  }
});

Deno.test("what a silent chain or a machine of no provider hides is left out", async () => {
  await using home = await openProviderHome();
  home.chain.answers.hasEscrow = false;
  const silent = (await look(home, home.config())).map(({ part }) => part);
  assert.ok(!silent.includes("name") && !silent.includes("web domain"));
  home.chain.answers.hasEscrow = true;
  const { rpc, contracts } = home.config();
  const payers = await look(home, parseConfig({ rpc, contracts }, home.dir));
  assert.deepEqual(
    payers.map(({ part }) => part),
    ["keys", "chain", `rpc ${home.chain.rpc}`, `gateway ${GATEWAY}`],
  );
});
