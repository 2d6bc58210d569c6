import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NAME_LOOKUPS_MAX,
  NAME_TTL_SECONDS_MAX,
  NAME_TTL_SECONDS_MIN,
  PAYER_NAMES_REMEMBERED_MAX,
  PREFIX_NAME_LOOKUPS_BURST_MAX,
  STRANGER_NAME_LOOKUPS_BURST_MAX,
} from "../../limits_of_names.ts";
import { dnsmasqPath, startDnsmasq } from "../../../worlds/naming/dnsmasq.ts";
import type { OutsideName } from "../http/name_text.ts";
import { DnsClient } from "./dns_client.ts";
import { dnslinkName, linkedCid } from "./dnslink.ts";
import { NameLookupRates } from "./lookup_rates.ts";
import { type Found, type LookUp, Resolutions } from "./resolutions.ts";
import { ResolutionStore } from "./resolution_store.ts";

const NAME: OutsideName = { kind: "dnslink", name: "www.shop.com" };
const ONE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
const TWO = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" as CidText;
const FROM = "127.0.0.1";
const PAYER = `0x${"11".repeat(20)}`;

function openNames(database = new DatabaseSync(":memory:"), lookUp?: LookUp) {
  const world = {
    time: 1_700_000_000_000,
    found: { cid: ONE, ttl: 60 } as Found,
    isDown: false,
    asked: [] as string[],
  };
  const played: LookUp = async (name) => {
    world.asked.push(name);
    await Promise.resolve();
    if (world.isDown) throw new KhachapuriError("name_unavailable", "nobody answers");
    return world.found;
  };
  const now = () => world.time;
  const names = new Resolutions({
    lookUp: { dnslink: lookUp ?? played, ens: lookUp ?? played },
    rates: new NameLookupRates(now),
    store: new ResolutionStore(database),
    now,
  });
  const cid = async (name = NAME, from = FROM) => (await names.get(name, from)).cid;
  const pass = (seconds: number) => void (world.time += 1_000 * seconds);
  return { world, names, cid, pass };
}

Deno.test("a name is looked up once for all who wait, and again when its time is over", async () => {
  const { world, names, cid, pass } = openNames();
  assert.deepEqual(await Promise.all([cid(), cid(), cid()]), [ONE, ONE, ONE]);
  pass(59);
  await cid();
  assert.equal(world.asked.length, 1);
  world.found = { cid: TWO, ttl: 60 };
  pass(1);
  // Whoever comes first then does not wait, and has the next one look.
  assert.equal(await cid(), ONE);
  await names.settled();
  assert.equal(await cid(), TWO);
  assert.equal(world.asked.length, 2);
});

Deno.test("an old answer is not given before it was looked up", async () => {
  const { world, cid, pass } = openNames();
  await cid();
  world.found = { cid: TWO, ttl: 60 };
  pass(3_600);
  assert.equal(await cid(), TWO);
});

Deno.test("what a name pointed to last is kept through an outage, however long", async () => {
  const { world, names, cid, pass } = openNames();
  await cid();
  world.isDown = true;
  pass(61);
  assert.equal(await cid(), ONE);
  await names.settled();
  assert.equal(names.isStale(await names.get(NAME, FROM)), true);
  for (const days of [1, 30]) {
    pass(days * 86_400);
    assert.equal(await cid(), ONE);
  }
  // It is asked for no more often than every few seconds.
  const { length } = world.asked;
  for (let i = 0; i < 10; i++) await cid();
  assert.equal(world.asked.length, length);
  world.isDown = false;
  world.found = { cid: TWO, ttl: 60 };
  pass(5);
  assert.equal(await cid(), TWO);
});

Deno.test("a name that was taken away points to nothing", async () => {
  const { world, names, cid, pass } = openNames();
  await cid();
  world.found = { cid: null, ttl: 60 };
  pass(60);
  await cid();
  await names.settled();
  assert.equal(await cid(), null);
});

Deno.test("that nobody has a name is remembered for a while", async () => {
  const { world, names, cid, pass } = openNames();
  world.found = { cid: null, ttl: 3_600 };
  assert.equal(await cid(), null);
  assert.equal(await cid(), null);
  assert.equal(world.asked.length, 1);
  world.found = { cid: ONE, ttl: 60 };
  pass(60);
  await cid();
  await names.settled();
  assert.equal(await cid(), ONE);
});

Deno.test("an outage of what is not known is told, and is no reason to ask each time", async () => {
  const { world, cid, pass } = openNames();
  world.isDown = true;
  for (let i = 0; i < 3; i++) await assert.rejects(cid(), { code: "name_unavailable" });
  assert.equal(world.asked.length, 1);
  world.isDown = false;
  pass(5);
  assert.equal(await cid(), ONE);
});

Deno.test("no record makes us ask all the time, or believe it for ever", async () => {
  for (const [ttl, seconds] of [[0, NAME_TTL_SECONDS_MIN], [1e9, NAME_TTL_SECONDS_MAX]] as const) {
    const { world, names, cid, pass } = openNames();
    world.found = { cid: ONE, ttl };
    await cid();
    pass(seconds - 1);
    await cid();
    await names.settled();
    assert.equal(world.asked.length, 1);
    pass(1);
    await cid();
    await names.settled();
    assert.equal(world.asked.length, 2);
  }
});

Deno.test("what was paid for is there after a restart in an outage, and nothing else", async () => {
  const database = new DatabaseSync(":memory:");
  const before = openNames(database);
  const other: OutsideName = { kind: "ens", name: "blog.eth" };
  await before.cid();
  before.names.notePaid(NAME, PAYER);
  before.world.found = { cid: TWO, ttl: 60 };
  await before.cid(other);
  const after = openNames(database);
  after.world.isDown = true;
  assert.equal(await after.cid(), ONE);
  await assert.rejects(after.cid(other), { code: "name_unavailable" });
});

Deno.test("names that lead to what another pays for are strangers' all the same", async () => {
  const database = new DatabaseSync(":memory:");
  const { world, names, cid, pass } = openNames(database);
  const evil: OutsideName = { kind: "dnslink", name: "1.evil.com" };
  await cid();
  names.notePaid(NAME, PAYER);
  await cid(evil);
  assert.deepEqual(new ResolutionStore(database).all().map(({ name }) => name), [NAME.name]);
  pass(60);
  for (let i = 0; i < STRANGER_NAME_LOOKUPS_BURST_MAX; i++) {
    await cid({ kind: "ens", name: `x${i}.eth` }, "10.0.0.1");
  }
  world.found = { cid: TWO, ttl: 60 };
  const both = async () => [await cid(NAME, "10.0.0.1"), await cid(evil, "10.0.0.1")];
  assert.deepEqual(await both(), [ONE, ONE]);
  await names.settled();
  assert.deepEqual(await both(), [TWO, ONE], "a share of lookups is for names that are paid by");
});

Deno.test("a name that a call was paid by stays known, wherever it points next", async () => {
  const database = new DatabaseSync(":memory:");
  const { world, names, cid, pass } = openNames(database);
  await cid();
  names.notePaid(NAME, null);
  world.found = { cid: TWO, ttl: 60 };
  pass(3_600);
  await cid();
  assert.deepEqual(new ResolutionStore(database).all().map((row) => row.cid), [TWO]);
  world.found = { cid: null, ttl: 60 };
  pass(3_600);
  await cid();
  assert.deepEqual(new ResolutionStore(database).all(), []);
  names.notePaid(NAME, null);
  assert.equal(await cid(), null, "what points to nothing was paid by nobody");
});

Deno.test("a payer keeps so many names known, and pushes out its own", async () => {
  const database = new DatabaseSync(":memory:");
  const { names, cid, pass } = openNames(database);
  const kept = () => new ResolutionStore(database).all().map(({ name }) => name);
  await cid();
  names.notePaid(NAME, PAYER);
  const other = "198.51.100";
  for (let i = 0; i < PAYER_NAMES_REMEMBERED_MAX + 2; i++) {
    pass(1);
    const name: OutsideName = { kind: "ens", name: `${i}.eth` };
    await cid(name);
    names.notePaid(name, other);
  }
  assert.equal(kept().length, 1 + PAYER_NAMES_REMEMBERED_MAX);
  assert.ok(kept().includes(NAME.name));
  assert.deepEqual([kept().includes("0.eth"), kept().includes("1.eth"), kept().includes("2.eth")], [
    false,
    false,
    true,
  ]);
  names.notePaid({ kind: "ens", name: "never-asked.eth" }, other);
  assert.equal(kept().length, 1 + PAYER_NAMES_REMEMBERED_MAX);
});

Deno.test("strangers' names are limited, and push out nothing that was paid for", async () => {
  const { world, names, cid, pass } = openNames();
  await cid(NAME, "192.0.2.1");
  names.notePaid(NAME, PAYER);
  let refused = 0;
  for (let i = 0; i < PREFIX_NAME_LOOKUPS_BURST_MAX; i++) {
    await cid({ kind: "ens", name: `${i}.eth` }, "192.0.2.1").catch(() => refused++);
  }
  assert.equal(refused, 1);
  for (let i = 0; i < STRANGER_NAME_LOOKUPS_BURST_MAX; i++) {
    await cid({ kind: "ens", name: `x${i}.eth` }, "10.0.0.1").catch(() => {});
  }
  world.found = { cid: TWO, ttl: 60 };
  pass(60);
  assert.equal(await cid(NAME, "192.0.2.1"), ONE);
  await names.settled();
  assert.equal(await cid(NAME, "192.0.2.1"), TWO);
});

Deno.test("so many lookups are under way, and no more", async () => {
  const held = Promise.withResolvers<void>();
  const { cid } = openNames(undefined, async () => {
    await held.promise;
    return { cid: ONE, ttl: 60 };
  });
  const waiting = Array.from({ length: NAME_LOOKUPS_MAX }, (_, i) => {
    return cid({ kind: "ens", name: `${i}.eth` });
  });
  await assert.rejects(cid({ kind: "ens", name: "more.eth" }), { code: "overloaded" });
  held.resolve();
  await Promise.all(waiting);
  assert.equal(await cid({ kind: "ens", name: "more.eth" }), ONE);
});

const dnsmasq = await dnsmasqPath();

Deno.test({
  name: dnsmasq ? "a real name server's records, their time and its outage" : "dnsmasq: NOT RUN",
  ignore: dnsmasq === null,
  async fn() {
    const zone = (cid: string, ttl: number) => [
      `txt-record=_dnslink.www.shop.com,dnslink=/ipfs/${cid}`,
      `local-ttl=${ttl}`,
      "local=/com/",
    ];
    await using real = await startDnsmasq(dnsmasq!, zone(ONE, 30));
    const client = new DnsClient({
      servers: () => Promise.resolve([real.server]),
      serverTimeoutMs: 500,
    });
    const { names, cid, pass } = openNames(undefined, async (name) => {
      const { texts, ttl } = await client.txt(dnslinkName(name));
      return { cid: linkedCid(texts), ttl };
    });
    assert.equal(await cid(), ONE);
    await real.serve(zone(TWO, 30));
    pass(29);
    assert.equal(await cid(), ONE);
    pass(1);
    await cid();
    await names.settled();
    assert.equal(await cid(), TWO);
    await real.stop();
    pass(86_400);
    assert.equal(await cid(), TWO);
    await real.serve(["local=/com/"]);
    pass(6);
    assert.equal(await cid(), null);
  },
});
