import assert from "node:assert/strict";
import type { Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { NAME_UNCOVERED_MS_MAX } from "../../limits_of_names.ts";
import { parseNameChange, signNameChange } from "../../spec/name_change.ts";
import { openNames } from "./open_names.ts";

const owner = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PLACE = { provider: owner.address, chainId: 31337, escrow: owner.address };
const NOW = 1_700_000_000_000;
const ONE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
const TWO = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" as CidText;
const FROM = "127.0.0.1";

/** Names in a folder of their own, with DNS and ENS as a test says. */
async function openWorld() {
  const dir = await Deno.makeTempDir();
  const stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const world = {
    time: NOW,
    texts: [`dnslink=/ipfs/${ONE}`],
    contenthash: (): CidText | null => ONE,
    left: [] as CidText[],
    /** What the owner has allowed by now. */
    amount: 1_000_000n,
    /** What DNS answers while it is out of reach. */
    away: null as Promise<never> | null,
  };
  const open = (on: AsyncDisposableStack) =>
    openNames({
      dir,
      dns: {
        txt: () => world.away ?? Promise.resolve({ texts: world.texts, ttl: 60 }),
      },
      contenthash: () => Promise.resolve().then(() => world.contenthash()),
      allowedTo: () => Promise.resolve({ amount: world.amount, paysCall: world.amount > 0n }),
      onLeft: (cid) => void world.left.push(cid),
      place: PLACE,
      perUsdc: 10,
      provider: "paolo.example",
      ownerOf: () => Promise.resolve<Address>(owner.address),
      allowed: () => Promise.resolve({ amount: 1_000_000n, paysCall: true }),
      now: () => world.time,
    }, on);
  const names = open(stack.use(new AsyncDisposableStack()));
  const change = async (label: string, cid: CidText | "", sequence: bigint) => {
    const expires = BigInt(world.time / 1_000) + 300n;
    const json = await signNameChange(owner, { label, cid, sequence, expires }, PLACE);
    return await names.change(parseNameChange(json), FROM);
  };
  return { world, names, open, change, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("names of all kinds lead to deployments, and are told of", async () => {
  await using opened = await openWorld();
  const { names, change } = opened;
  await change("blog", ONE, 1n);
  assert.equal(await names.cidOf("register", "blog", FROM), ONE);
  assert.equal(await names.cidOf("dnslink", "www.shop.com", FROM), ONE);
  assert.equal(await names.cidOf("ens", "blog.eth", FROM), ONE);
  assert.deepEqual(await names.view("Blog", FROM), {
    name: "blog",
    kind: "register",
    cid: ONE,
    owner: owner.address,
    sequence: 1,
    since: NOW,
    lapsesAt: null,
    history: [{ cid: ONE, sequence: 1, at: NOW }],
    checkedAt: NOW,
    isStale: false,
  });
  assert.deepEqual(await names.view("WWW.shop.com", FROM), {
    name: "www.shop.com",
    kind: "dnslink",
    cid: ONE,
    since: NOW,
    checkedAt: NOW,
    isStale: false,
  });
  assert.equal((await names.view("blog.eth", FROM)).kind, "ens");
});

Deno.test("a name of the registry may have any ending; a domain's own record goes first", async () => {
  await using opened = await openWorld();
  const { world, names } = opened;
  world.contenthash = () => TWO;
  assert.equal(await names.cidOf("dnslink", "www.shop.com", FROM), ONE);
  world.texts = [];
  assert.equal(await names.cidOf("dnslink", "blog.khachapuri", FROM), TWO);
  world.away = Promise.reject(new KhachapuriError("name_unavailable", "nobody answers"));
  world.away.catch(() => {});
  assert.equal(await names.cidOf("dnslink", "shop.khachapuri", FROM), TWO);
  world.contenthash = () => null;
  await assert.rejects(names.cidOf("dnslink", "bar.khachapuri", FROM), {
    code: "name_unavailable",
  });
});

Deno.test("what a name lacks is told, and how to mend it", async () => {
  await using opened = await openWorld();
  const { world, names, change } = opened;
  const refused = async (text: string, code: string, pattern: RegExp) => {
    await assert.rejects(names.view(text, FROM), (error: KhachapuriError) => {
      assert.equal(error.code, code, text);
      assert.match([error.shortMessage, ...error.hints].join("\n"), pattern);
      return true;
    });
  };
  await refused("blog", "not_found", /nobody has the name blog/);
  await refused("www", "invalid_name", /something else/);
  await refused("a_b.com", "invalid_name", /neither a label nor/);
  world.texts = [`dnslink=/ipns/${ONE}`];
  await refused("one.com", "not_found", /no \/ipfs\/\{cid\}/);
  world.texts = ["v=spf1"];
  world.contenthash = () => null;
  await refused("two.com", "not_found", /TXT record of _dnslink\.two\.com says dnslink/);
  await refused("none.eth", "not_found", /khachapuri name set none\.eth/);
  world.contenthash = () => {
    throw new KhachapuriError("invalid_input", "it points to Swarm, not to IPFS");
  };
  await refused("swarm.eth", "not_found", /Swarm/);
  world.contenthash = () => {
    throw new KhachapuriError("chain_unavailable", "nobody answers");
  };
  await refused("away.eth", "chain_unavailable", /nobody answers/);
  await change("gone", ONE, 1n);
  assert.equal(await change("gone", "", 2n), null);
  await assert.rejects(names.view("gone", FROM), (error: KhachapuriError) => {
    assert.deepEqual(error.data, { name: "gone", sequence: 2 });
    return true;
  });
});

Deno.test("a deployment is left when its owner moves the last name that led to it", async () => {
  await using opened = await openWorld();
  const { world, names, change } = opened;
  await change("blog", ONE, 1n);
  await change("shop", ONE, 1n);
  await names.cidOf("dnslink", "www.shop.com", FROM);
  await change("blog", TWO, 2n);
  assert.deepEqual(world.left, [], "shop leads to it");
  await change("shop", TWO, 2n);
  assert.deepEqual(world.left, [], "a domain leads to it");
  world.texts = [];
  world.contenthash = () => null;
  world.time += 3_600_000;
  assert.equal(await names.cidOf("dnslink", "www.shop.com", FROM), null);
  await change("blog", ONE, 3n);
  await change("blog", "", 4n);
  assert.deepEqual(world.left, [ONE]);
});

Deno.test("a stranger that points its names at a deployment and away ends nothing", async () => {
  await using opened = await openWorld();
  const { world, names } = opened;
  const called = ["evil.attacker.com", "evil.eth"] as const;
  const lead = () =>
    Promise.all([
      names.cidOf("dnslink", called[0], FROM),
      names.view(called[0], FROM),
      names.cidOf("ens", called[1], FROM),
    ]);
  await lead();
  world.texts = [`dnslink=/ipfs/${TWO}`];
  world.contenthash = () => TWO;
  world.time += 3_600_000;
  const [moved, view, ens] = await lead();
  assert.deepEqual([moved, view.cid, ens], [TWO, TWO, TWO]);
  world.texts = [];
  world.contenthash = () => null;
  world.time += 3_600_000;
  assert.equal(await names.cidOf("dnslink", called[0], FROM), null);
  assert.deepEqual(world.left, []);
});

Deno.test("names are there after a restart", async () => {
  await using opened = await openWorld();
  const { world, names, open, change } = opened;
  await change("blog", ONE, 1n);
  await names.cidOf("dnslink", "www.shop.com", FROM);
  world.texts = [];
  await using stack = new AsyncDisposableStack();
  const again = open(stack);
  assert.deepEqual(again.ofOwner(owner.address).map(({ label }) => label), ["blog"]);
  assert.equal(again.labels.has("blog"), true);
});

Deno.test("an owner is told when a name lapses that its allowance is not good for any more", async () => {
  await using opened = await openWorld();
  const { world, names, open, change } = opened;
  for (const label of ["one", "two"]) await change(label, ONE, 1n);
  world.time += 1_000;
  await change("new", ONE, 1n);
  world.amount = 200_000n;
  await names.lapse();
  const end = world.time + NAME_UNCOVERED_MS_MAX;
  const told = (of: typeof names) =>
    of.ofOwner(owner.address).map(({ label, lapsesAt }) => [label, lapsesAt]);
  assert.deepEqual(told(names), [["new", end], ["one", null], ["two", null]]);
  assert.equal((await names.view("new", FROM)).lapsesAt, end);
  assert.equal((await names.view("one", FROM)).lapsesAt, null);
  await using stack = new AsyncDisposableStack();
  world.time += 1_000;
  const again = open(stack);
  await again.lapse();
  assert.deepEqual(told(again)[0], ["new", end], "also after a restart");
  world.time = end;
  await again.lapse();
  assert.deepEqual(told(again), [["one", null], ["two", null]]);
  assert.deepEqual(world.left, [], "its server ends when it is idle");
});
