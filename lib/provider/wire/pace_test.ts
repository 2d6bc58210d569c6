import assert from "node:assert/strict";
import { turn } from "../../../worlds/turns.ts";
import { LIGHT_READER_MS_MAX, READING_DEBT_MS_MAX, READING_SHARE_MAX } from "../../limits.ts";
import { Pace, type Reader, Usage } from "./pace.ts";

/** Readers each of whose turns takes a millisecond, on a clock that only they move. */
function open() {
  const clock = { now: 0 };
  const pace = new Pace(() => clock.now);
  const turns: string[] = [];
  const reader = (name: string, networkUsage?: Usage): Reader => {
    const usage = new Usage();
    const own: Reader = {
      usage,
      networkUsage: networkUsage ?? usage,
      turn() {
        turns.push(name);
        pace.charge(own, () => clock.now += 1);
      },
    };
    return own;
  };
  const spend = (who: Reader, ms: number) => {
    for (let spent = 0; spent < ms; spent++) pace.charge(who, () => clock.now += 1);
  };
  return { clock, pace, turns, reader, spend };
}

Deno.test("who took much waits, until its share of the time has come back", () => {
  const { clock, pace, reader, spend } = open();
  const heavy = reader("heavy");
  assert.ok(pace.mayRead(heavy));
  let took = 0;
  for (; pace.mayRead(heavy); took++) spend(heavy, 1);
  assert.ok(took > LIGHT_READER_MS_MAX && took < 100, `it read for ${took} ms`);
  clock.now += 2 / READING_SHARE_MAX;
  assert.ok(pace.mayRead(heavy));
});

Deno.test("who took little is read meanwhile, on credit that has an end", () => {
  const { pace, reader, spend } = open();
  const heavy = reader("heavy");
  while (pace.mayRead(heavy)) spend(heavy, 1);
  assert.ok(pace.mayRead(reader("light")));
  let lent = 0;
  for (; pace.mayRead(reader("light")); lent++) spend(reader("stranger"), 1);
  assert.ok(lent <= 2 * READING_DEBT_MS_MAX, `${lent} ms were lent`);
});

Deno.test("requests are excused: who sends nothing else never took much", () => {
  const { pace, reader } = open();
  const caller = reader("caller");
  for (let call = 0; call < 1_000; call++) {
    pace.charge(caller, () => {});
    pace.excuse(caller);
  }
  assert.equal(caller.usage.of(0), 0);
});

Deno.test("turns go to the network and the connection that took least", async () => {
  const { clock, pace, turns, reader, spend } = open();
  const crowd = pace.usageOf("192.0.2.0/24");
  assert.equal(pace.usageOf("192.0.2.0/24"), crowd);
  const [first, second, other] = [reader("1", crowd), reader("2", crowd), reader("other")];
  spend(first, 6);
  spend(second, 5);
  spend(other, 7);
  for (const each of [first, second, other]) pace.wait(each);
  const gone = reader("gone");
  pace.wait(gone);
  pace.forget(gone);
  while (turns.length < 3) {
    clock.now += 100;
    await turn();
  }
  assert.deepEqual(turns, ["other", "2", "1"]);
});

Deno.test("what is taken at once is charged in part only: it may be another's doing", () => {
  const { clock, pace, reader } = open();
  const caller = reader("caller");
  pace.charge(caller, () => clock.now += 1_000);
  assert.ok(caller.usage.of(clock.now) <= LIGHT_READER_MS_MAX);
});
