import assert from "node:assert/strict";
import type { CidText } from "../../cid.ts";
import {
  HERE_LOOKUPS_BURST_MAX,
  LOOKUP_WAIT_MS,
  LOOKUPS_WAITING_MAX,
  NETWORK_LOOKUPS_WAITING_MAX,
  PREFIX_LOOKUPS_BURST_MAX,
} from "../../limits.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { LookupLimits, type ProvenPayer } from "./lookup_limits.ts";
import { Unproven } from "./unproven.ts";

/** One network asks until nothing is left; what it took is outstanding. */
async function usedUp() {
  const clock = manualClock();
  const now = () => clock.now();
  const unproven = new Unproven(new LookupLimits(now), now, clock);
  const outcomes: string[] = [];
  const nobody: ProvenPayer = () => Promise.resolve(null);
  const admit = (name: string, from = "9.9.9.9", { isHere = false, payer = nobody } = {}) =>
    unproven.admit({ from, payer, caller: null }, isHere).then(
      (proof) => {
        outcomes.push(name);
        unproven.begun(name as CidText, proof);
      },
      ({ code }) => void outcomes.push(code),
    );
  for (let index = 0; index < PREFIX_LOOKUPS_BURST_MAX; index++) await admit(`first ${index}`);
  outcomes.length = 0;
  return { clock, unproven, outcomes, admit };
}

Deno.test("what comes back goes to who waits, in the order in which they came", async () => {
  const { unproven, outcomes, admit, clock } = await usedUp();
  for (const name of ["a", "b", "c"]) void admit(name);
  await aWhile();
  unproven.proved("first 0" as CidText);
  unproven.proved("first 0" as CidText);
  await aWhile();
  assert.deepEqual(outcomes, ["a"], "once, however often it is said");
  unproven.failed("first 1" as CidText);
  await aWhile();
  assert.deepEqual(outcomes, ["a"], "what came to nothing gives nothing back");
  unproven.proved("first 2" as CidText);
  clock.advance(LOOKUP_WAIT_MS);
  await aWhile();
  assert.deepEqual(outcomes, ["a", "b", "c"], "the last one by what refilled");
  assert.equal(clock.pending(), 0);
});

Deno.test("no more wait than may, of one network and of all", async () => {
  const { outcomes, admit } = await usedUp();
  for (let index = 0; index <= NETWORK_LOOKUPS_WAITING_MAX; index++) void admit(`${index}`);
  await aWhile();
  assert.deepEqual(outcomes, ["rate_limited"]);
  for (let network = 0; network < 40; network++) {
    for (let index = 0; index < 40; index++) void admit("another", `7.7.${network}.7`);
  }
  await aWhile();
  const admitted = outcomes.filter((outcome) => outcome === "another").length;
  const refused = outcomes.length - admitted;
  assert.equal(1_600 + NETWORK_LOOKUPS_WAITING_MAX + 1, LOOKUPS_WAITING_MAX + admitted + refused);
});

Deno.test("what is kept here takes what comes back of its own", async () => {
  const { unproven, outcomes, admit } = await usedUp();
  const here = (name: string) => admit(name, "9.9.9.9", { isHere: true });
  for (let index = 0; index < HERE_LOOKUPS_BURST_MAX; index++) await here(`here ${index}`);
  outcomes.length = 0;
  void here("waits");
  await aWhile();
  assert.deepEqual(outcomes, []);
  unproven.proved("here 7" as CidText);
  await aWhile();
  assert.deepEqual(outcomes, ["waits"]);
});

Deno.test("whom no line has room for passes nobody who waits", async () => {
  const { outcomes, admit, clock } = await usedUp();
  for (let index = 0; index < NETWORK_LOOKUPS_WAITING_MAX; index++) void admit(`${index}`);
  await aWhile();
  const payer: ProvenPayer = () => {
    // Meanwhile something refills.
    clock.advance(LOOKUP_WAIT_MS - 1);
    return Promise.resolve(null);
  };
  await admit("late", "9.9.9.9", { payer });
  assert.deepEqual(outcomes, ["rate_limited"]);
});
