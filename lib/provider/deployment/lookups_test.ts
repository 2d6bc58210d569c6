import assert from "node:assert/strict";
import { type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import {
  LOOKUP_PATIENCE_MS,
  LOOKUP_PROVING_MS,
  LOOKUP_WAIT_MS,
  LOOKUPS_MAX,
  NETWORK_LOOKUPS_WAITING_MAX,
  PREFIX_LOOKUPS_BURST_MAX,
  STRANGER_LOOKUPS_BURST_MAX,
} from "../../limits.ts";
import { manualClock } from "../../../worlds/clock.ts";
import type { Deployment } from "./deployment.ts";
import { Lookups } from "./lookups.ts";

const HERE = "127.0.0.1";

/** What waits for nothing is over by then. */
async function settle(): Promise<void> {
  for (let count = 0; count < 50; count++) await Promise.resolve();
}

function cidOf(index: number): CidText {
  return formatCid(importFile(new TextEncoder().encode(`${index}`)).root);
}

function watched(isHere = (_cid: CidText) => false) {
  const clock = manualClock();
  const loads = new Map<CidText, { resolve(): void; reject(error: Error): void }>();
  const asked: CidText[] = [];
  const remembered = new Map<CidText, Deployment | KhachapuriError>();
  const lookups = new Lookups({
    load(cid, signal) {
      asked.push(cid);
      return new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        loads.set(cid, { resolve: () => resolve({ cid } as Deployment), reject });
      });
    },
    recall: (cid) => remembered.get(cid) ?? null,
    isPaid: () => false,
    isHere,
    now: () => clock.now(),
    clock,
  });
  const codes: string[] = [];
  const find = (
    index: number,
    from = HERE,
    caller: Parameters<typeof lookups.find>[1]["caller"] = null,
  ) => {
    const payer = () => Promise.resolve(null);
    lookups.find(cidOf(index), { from, payer, caller }).then(
      () => codes.push("found"),
      (error) => codes.push(error.code),
    );
  };
  const finish = async (cid: CidText, isPaid: boolean) => {
    loads.get(cid)!.resolve();
    await settle();
    if (isPaid) lookups.notePaid(cid);
    await settle();
  };
  return { clock, lookups, asked, codes, find, finish, loads, remembered };
}

Deno.test("a burst that is paid for is found whole, however many are let in at once", async () => {
  for (const from of [HERE, "9.9.9.9"]) {
    const { asked, codes, find, finish, clock } = watched();
    for (let index = 0; index < 100; index++) find(index, from);
    await settle();
    assert.equal(asked.length, from === HERE ? LOOKUPS_MAX : PREFIX_LOOKUPS_BURST_MAX);
    for (let index = 0; index < asked.length; index++) await finish(asked[index]!, true);
    assert.deepEqual(codes, Array(100).fill("found"), from);
    assert.equal(clock.pending(), 0);
  }
});

Deno.test("a burst that is not paid for gets no more of the gateways than it ever could", async () => {
  const { asked, codes, find, finish, clock } = watched();
  for (let index = 0; index < 200; index++) find(index);
  await settle();
  for (let index = 0; index < asked.length; index++) await finish(asked[index]!, false);
  assert.equal(asked.length, STRANGER_LOOKUPS_BURST_MAX);
  clock.advance(LOOKUP_WAIT_MS);
  await settle();
  // What refills meanwhile, and the share of who has asked for little, are as they were.
  assert.ok(asked.length < STRANGER_LOOKUPS_BURST_MAX + 30, `${asked.length} lookups`);
  assert.ok(codes.filter((code) => code === "rate_limited").length > 100);
});

Deno.test("nobody waits for what cannot come back", async () => {
  const { codes, find, loads, clock } = watched();
  for (let index = 0; index < 100; index++) find(index);
  await settle();
  assert.deepEqual(codes, [], "some may still be paid for");
  while (loads.size > 0) {
    for (const [cid, { reject }] of [...loads]) {
      loads.delete(cid);
      reject(new KhachapuriError("not_found", "no gateway has it"));
    }
    await settle();
  }
  assert.equal(codes.filter((code) => code === "not_found").length, STRANGER_LOOKUPS_BURST_MAX);
  assert.equal(codes.length, 100, "the others were told as the last hope went");
  assert.equal(clock.pending(), 0);
  find(500);
  await settle();
  assert.equal(codes.at(-1), "rate_limited");
});

Deno.test("what was found and not paid for is hoped for no longer than a while", async () => {
  const { asked, codes, find, finish, clock, loads } = watched();
  for (let index = 0; index < STRANGER_LOOKUPS_BURST_MAX; index++) find(index);
  await settle();
  for (let index = 0; index < asked.length; index++) await finish(asked[index]!, false);
  loads.clear();
  clock.advance(LOOKUP_PROVING_MS);
  for (let index = 200; index < 240; index++) find(index);
  await settle();
  assert.ok(!codes.includes("rate_limited"), "what came back by itself is looked up");
  for (const { reject } of loads.values()) {
    reject(new KhachapuriError("not_found", "no gateway has it"));
  }
  await settle();
  assert.equal(codes.length, STRANGER_LOOKUPS_BURST_MAX + 40);
  assert.ok(codes.includes("rate_limited"));
});

Deno.test("one network's flood waits in its own line, and a caller that goes leaves it", async () => {
  const { asked, codes, find, clock } = watched();
  for (let index = 0; index < NETWORK_LOOKUPS_WAITING_MAX + 30; index++) find(index, "9.9.9.9");
  await settle();
  assert.equal(codes.length, 30 - PREFIX_LOOKUPS_BURST_MAX);
  let leave = () => {};
  const caller = { whenGone: (gone: (() => void) | null) => void (leave = gone ?? leave) };
  find(1_000, "8.8.8.8");
  for (let index = 1_001; index < 1_020; index++) find(index, "8.8.8.8", caller);
  await settle();
  assert.ok(asked.includes(cidOf(1_000)), "others have a line of their own");
  const before = codes.length;
  leave();
  await settle();
  assert.deepEqual(codes.slice(before), ["invalid_input"]);
  clock.advance(LOOKUP_WAIT_MS);
  await settle();
  assert.equal(codes.filter((code) => code === "rate_limited").length > 100, true);
});

Deno.test("what is kept here is asked of no gateway, and takes nothing of a stranger's", async () => {
  const { asked, codes, find, finish } = watched(() => true);
  for (let index = 0; index < 80; index++) find(index, "9.9.9.9");
  await settle();
  for (let index = 0; index < asked.length; index++) await finish(asked[index]!, false);
  assert.deepEqual(codes, Array(80).fill("found"));
});

Deno.test("what nobody has makes room for who waits, once it took its time", async () => {
  const { asked, codes, find, clock } = watched();
  for (let index = 0; index < LOOKUPS_MAX; index++) find(index, `8.8.${index % 8}.8`);
  await settle();
  find(100, "7.7.7.7");
  await settle();
  assert.equal(asked.length, LOOKUPS_MAX);
  clock.advance(Math.max(LOOKUP_PATIENCE_MS, LOOKUP_WAIT_MS));
  await settle();
  assert.equal(asked.at(-1), cidOf(100));
  assert.deepEqual(codes, ["overloaded"], "the one that made room");
});

Deno.test("what another found while one waited is not looked up again, nor counted", async () => {
  const { asked, codes, find, finish, remembered } = watched();
  for (let index = 0; index < PREFIX_LOOKUPS_BURST_MAX; index++) find(index, "9.9.9.9");
  for (const index of [500, 501, 502]) find(index, "9.9.9.9");
  await settle();
  remembered.set(cidOf(500), { cid: cidOf(500) } as Deployment);
  remembered.set(cidOf(501), new KhachapuriError("misdirected", "for another provider"));
  assert.equal(asked.length, PREFIX_LOOKUPS_BURST_MAX);
  await finish(asked[0]!, true);
  assert.deepEqual(codes, ["found", "found", "misdirected"]);
  assert.deepEqual(asked.slice(PREFIX_LOOKUPS_BURST_MAX), [cidOf(502)], "by the same token");
});
