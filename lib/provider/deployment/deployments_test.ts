import assert from "node:assert/strict";
import type { Address } from "viem";
import { type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { ABSENT_REMEMBERED_MS, OUTAGE_REMEMBERED_MS } from "../../limits.ts";
import { sealSpec } from "../../spec/envelope.ts";
import { generateIdentity, recipientOf } from "../../spec/keys.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import { Deployments, type DeploymentsOptions } from "./deployments.ts";
import { turn } from "../../../worlds/turns.ts";

const ZERO = `0x${"00".repeat(20)}` as const;
const SELLER = { chainId: 1, escrow: ZERO, provider: ZERO };
const PAYER = `0x${"11".repeat(20)}` as Address;
const EVERYWHERE = Array.from({ length: 40 }, (_, index) => `8.8.${index}.8`);

function cidOf(text: string): CidText {
  return formatCid(importFile(new TextEncoder().encode(text)).root);
}

const never: Fetcher["readFile"] = (_, { signal }) =>
  new Promise((_, reject) => {
    signal!.addEventListener("abort", () => reject(signal!.reason));
  });

/** Nobody has anything: a lookup ends when it is made to, or as `readFile` says. */
function emptyWorld(
  known: ReadonlySet<string> = new Set(),
  readFile: Fetcher["readFile"] = never,
  changes: Partial<DeploymentsOptions> = {},
) {
  const timers = new Set<() => void>();
  const world = {
    at: 0,
    asked: [] as string[],
    judged: [] as [string, boolean][],
    /** Whatever waits has waited for long enough. */
    expire() {
      for (const timer of [...timers]) timer();
    },
  };
  const clock = {
    now: () => world.at,
    after(_ms: number, callback: () => void) {
      timers.add(callback);
      return () => void timers.delete(callback);
    },
  };
  const fetcher: Fetcher = {
    readFile(cid, options) {
      world.asked.push(formatCid(cid));
      return readFile(cid, options);
    },
    judge: (cid, isUseful) => Promise.resolve(void world.judged.push([formatCid(cid), isUseful])),
  };
  const deployments = new Deployments({
    fetcher,
    identities: [],
    takesTerms: () => false,
    egressHosts: [],
    minesEach: false,
    takesServers: true,
    seller: SELLER,
    registrations: { isKnown: (cid) => known.has(cid) },
    stops: { has: () => false },
    now: () => world.at,
    clock,
    ...changes,
  });
  return { world, deployments };
}

/** Lets what was begun get as far as it can. */

Deno.test("cids that nobody has keep the provider from no other for long", async () => {
  const paid = cidOf("paid for");
  const { world, deployments } = emptyWorld(new Set([paid]));
  const junk = Array.from(
    { length: 32 },
    (_, index) => deployments.get(cidOf(String(index)), EVERYWHERE[index % 4]!),
  );
  const first = assert.rejects(junk[0]!, { code: "overloaded" });
  for (const lookup of junk) lookup.catch(() => {});
  await turn();
  const late = cidOf("late");
  const other = EVERYWHERE.at(-1)!;
  const refused = { code: "overloaded", retryAfterSeconds: 1 };
  const waits = assert.rejects(deployments.get(late, other), refused);
  await turn();
  world.expire();
  await waits;
  deployments.get(paid, other).catch(() => {});
  await turn();
  assert.equal(world.asked.at(-1), paid, "what was paid for always has room");
  world.at = 5_000;
  deployments.get(late, other).catch(() => {});
  await turn();
  assert.equal(world.asked.at(-1), late);
  await first;
});

Deno.test("callers of one cid share its lookup, and the failure that ends it", async () => {
  const { world, deployments } = emptyWorld();
  const [here, there] = EVERYWHERE as [string, string];
  const both = [deployments.get(cidOf("a"), here), deployments.get(cidOf("a"), there)];
  const ended = Promise.all(both.map((one) => assert.rejects(one, KhachapuriError)));
  await turn();
  for (let index = 0; index < 31; index++) {
    deployments.get(cidOf(`b${index}`), EVERYWHERE[index]!).catch(() => {});
  }
  await turn();
  world.at = 5_000;
  deployments.get(cidOf("c"), here).catch(() => {});
  await ended;
  assert.equal(world.asked.length, 33);
});

Deno.test("the network with the most under way makes room, not who was there before it", async () => {
  const { world, deployments } = emptyWorld();
  const honest = deployments.get(cidOf("honest"), EVERYWHERE[0]!);
  await turn();
  const junk = Array.from({ length: 31 }, (_, index) => {
    return deployments.get(cidOf(`junk ${index}`), EVERYWHERE[1 + index % 4]!);
  });
  const evicted = assert.rejects(junk[0]!, { code: "overloaded" });
  for (const lookup of [honest, ...junk]) lookup.catch(() => {});
  await turn();
  world.at = 5_000;
  deployments.get(cidOf("late"), EVERYWHERE[9]!).catch(() => {});
  await evicted;
  assert.equal(await Promise.race([honest.catch(() => "failed"), turn()]), undefined);
});

Deno.test("2,000 cids that nobody has cost the gateways what a stranger may cost", async () => {
  const { world, deployments } = emptyWorld(new Set(), () => {
    return Promise.reject(new KhachapuriError("not_found", "no gateway has it"));
  });
  const codes = new Map<string, number>();
  for (let index = 0; index < 2_000; index++) {
    const from = index % 2 === 0 ? "127.0.0.1" : EVERYWHERE[index % EVERYWHERE.length]!;
    const error = await deployments.get(cidOf(`junk ${index}`), from).catch((error) => error);
    codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
  }
  assert.ok(world.asked.length < 100, `${world.asked.length} requests`);
  assert.equal(codes.get("not_found"), world.asked.length);
});

Deno.test("a no is remembered for a moment, a failure of our gateways for less", async () => {
  let error = new KhachapuriError("not_found", "no gateway has it");
  const { world, deployments } = emptyWorld(new Set(), () => Promise.reject(error));
  const ask = (name: string) =>
    assert.rejects(deployments.get(cidOf(name), "127.0.0.1"), { code: error.code });
  for (const _ of [1, 2, 3]) await ask("absent");
  world.at += ABSENT_REMEMBERED_MS - 1;
  await ask("absent");
  assert.equal(world.asked.length, 1);
  world.at += 1;
  await ask("absent");
  assert.equal(world.asked.length, 2);

  error = new KhachapuriError("ipfs_unavailable", "busy", { retryAfterSeconds: 60 });
  for (const _ of [1, 2, 3]) await ask("out of reach");
  assert.equal(world.asked.length, 3);
  world.at += OUTAGE_REMEMBERED_MS;
  await ask("out of reach");
  assert.equal(world.asked.length, 4);
});

Deno.test("what can't be ours is remembered, and not kept on disk", async () => {
  const { world, deployments } = emptyWorld(new Set(), () => Promise.resolve(new Uint8Array(9)));
  const cid = cidOf("junk");
  for (const _ of [1, 2]) {
    await assert.rejects(deployments.get(cid, "127.0.0.1"), { code: "invalid_spec" });
  }
  assert.deepEqual([world.asked.length, world.judged], [1, [[cid, false]]]);
});

Deno.test("terms that are kept for a deployment end while it is known", async () => {
  const identity = await generateIdentity("x25519");
  const spec = await sampleSpec({ provider: SELLER.provider, escrow: SELLER.escrow, chainId: 1 });
  const sealed = await sealSpec(spec, [await recipientOf(identity)]);
  const taken = { now: true };
  const { deployments } = emptyWorld(new Set(), () => Promise.resolve(sealed), {
    identities: [identity],
    takesTerms: (_, signed) => taken.now && signed === spec.providers[0]!.terms,
  });
  const cid = cidOf("kept");
  const { spec: found } = await deployments.get(cid, EVERYWHERE[0]!);
  assert.equal(found.id, spec.id);
  taken.now = false;
  const refused = { code: "terms_refused", hints: /deploy again/ };
  for (const _ of [1, 2]) {
    await assert.rejects(deployments.get(cid, EVERYWHERE[0]!), { code: refused.code });
    assert.match(deployments.refusal(cid)!.hints.join(), refused.hints);
  }
});

Deno.test("what its owner has stopped is called no more, and found by who may stop it", async () => {
  const identity = await generateIdentity("x25519");
  const spec = await sampleSpec({ provider: SELLER.provider, escrow: SELLER.escrow, chainId: 1 });
  const sealed = await sealSpec(spec, [await recipientOf(identity)]);
  const { deployments } = emptyWorld(new Set(), () => Promise.resolve(sealed), {
    identities: [identity],
    takesTerms: () => true,
    stops: { has: ({ owner, id }) => owner === spec.owner && id === spec.id },
  });
  const cid = cidOf("stopped");
  await assert.rejects(deployments.look(cid, EVERYWHERE[0]!), { code: "stopped" });
  await assert.rejects(deployments.get(cid, EVERYWHERE[0]!), { code: "stopped" });
  const { spec: found } = await deployments.find(cid, EVERYWHERE[0]!);
  assert.equal(found.id, spec.id);
});

Deno.test("a payer has a share that strangers can't use up", async () => {
  const { world, deployments } = emptyWorld(new Set(), () => {
    return Promise.reject(new KhachapuriError("not_found", "no gateway has it"));
  });
  const spam = async (name: string) => {
    return (await deployments.get(cidOf(name), "127.0.0.1").catch((error) => error)).code;
  };
  for (let index = 0; index < 200; index++) await spam(`junk ${index}`);
  assert.equal(await spam("one more"), "rate_limited");
  const before = world.asked.length;
  const pay = () => Promise.resolve(PAYER);
  await assert.rejects(deployments.get(cidOf("new"), "127.0.0.1", pay), { code: "not_found" });
  assert.equal(world.asked.length, before + 1);
});
