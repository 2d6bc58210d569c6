import assert from "node:assert/strict";
import { type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { Deployments } from "./deployments.ts";

const ZERO = `0x${"00".repeat(20)}` as const;

function cidOf(text: string): CidText {
  return formatCid(importFile(new TextEncoder().encode(text)).root);
}

/** Nobody has anything: a lookup ends when it is made to. */
function emptyWorld(known: ReadonlySet<string>) {
  const world = { at: 0, asked: [] as string[] };
  const fetcher: Fetcher = {
    readFile(cid, { signal }) {
      world.asked.push(formatCid(cid));
      return new Promise((_, reject) => {
        signal!.addEventListener("abort", () => reject(signal!.reason));
      });
    },
  };
  const deployments = new Deployments({
    fetcher,
    identities: [],
    termsHashes: new Set(),
    seller: { chainId: 1, escrow: ZERO, provider: ZERO },
    registrations: { isKnown: (cid) => known.has(cid) },
    stops: { has: () => false },
    now: () => world.at,
  });
  return { world, deployments };
}

Deno.test("cids that nobody has keep the provider from no other for long", async () => {
  const paid = cidOf("paid for");
  const { world, deployments } = emptyWorld(new Set([paid]));
  const junk = Array.from({ length: 32 }, (_, index) => deployments.get(cidOf(String(index))));
  const first = assert.rejects(junk[0]!, { code: "overloaded" });
  for (const lookup of junk) lookup.catch(() => {});
  const late = cidOf("late");
  await assert.rejects(deployments.get(late), { code: "overloaded", retryAfterSeconds: 1 });
  deployments.get(paid).catch(() => {});
  assert.equal(world.asked.at(-1), paid, "what was paid for always has room");
  world.at = 5_000;
  deployments.get(late).catch(() => {});
  assert.equal(world.asked.at(-1), late);
  await first;
});

Deno.test("callers of one cid share its lookup, and the failure that ends it", async () => {
  const { world, deployments } = emptyWorld(new Set());
  const both = [deployments.get(cidOf("a")), deployments.get(cidOf("a"))];
  const ended = Promise.all(both.map((one) => assert.rejects(one, KhachapuriError)));
  for (let index = 0; index < 31; index++) deployments.get(cidOf(`b${index}`)).catch(() => {});
  world.at = 5_000;
  deployments.get(cidOf("c")).catch(() => {});
  await ended;
  assert.equal(world.asked.length, 33);
});
