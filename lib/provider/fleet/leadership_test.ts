import assert from "node:assert/strict";
import {
  beginSession,
  endLease,
  freshDatabase,
  startFleetServer,
} from "../../../worlds/fleet_database.ts";
import type { Database } from "./database.ts";
import { Leadership, type LeadershipOptions, type Term } from "./leadership.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

/** Longer than any test, ms. */
const BY_HAND = 1_000_000;

/** What a node that may lead is told, in order. */
type Told = ["gained" | "lost", number];

async function begin(database: Database, more: Partial<LeadershipOptions> = {}) {
  const session = await beginSession(database, "n");
  const told: Told[] = [];
  const clock = { ms: 0 };
  const leadership = await Leadership.begin({
    database,
    session: () => session,
    onGained: ({ term }: Term) => void told.push(["gained", term]),
    onLost: ({ term }: Term) => void told.push(["lost", term]),
    now: () => clock.ms,
    beatMs: BY_HAND,
    ...more,
  });
  return { leadership, session, told, clock };
}

/** A database that does not answer while it is `away`, though it may have done what it was told. */
function cutting(database: Database) {
  const cut = { away: false, deaf: false };
  const ask: Database["ask"] = async (...asked) => {
    if (cut.away) throw new Error("cut off");
    const rows = await database.ask(...asked);
    if (cut.deaf) throw new Error("cut off");
    return rows as never;
  };
  return Object.assign(cut, { database: { ...database, ask } as Database });
}

Deno.test({
  name: "one node leads, tells the others of it, and one that resigns leaves it to the next beat",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const one = await begin(database, { facts: () => ({ rowWorth: "7" }) });
    const two = await begin(database);
    assert.deepEqual([one.told, two.told], [[["gained", 1]], []]);
    await one.leadership.beat();
    await two.leadership.beat();
    assert.deepEqual(two.leadership.leader(), { session: one.session, facts: { rowWorth: "7" } });
    assert.equal(two.leadership.term, null);
    await one.leadership.resign();
    assert.deepEqual(one.told, [["gained", 1], ["lost", 1]]);
    await two.leadership.beat();
    await one.leadership.beat();
    assert.deepEqual(two.told, [["gained", 2]]);
    assert.deepEqual(
      one.leadership.leader(),
      { session: two.session, facts: { rowWorth: "7" } },
      "what was told stays until the next one tells more",
    );
    await Promise.all([one.leadership.close(), two.leadership.close()]);
    assert.deepEqual(two.told.at(-1), ["lost", 2]);
  },
});

Deno.test({
  name: "a leader that is not heard of any more is followed by another when its time is over",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const [one, two] = [await begin(database), await begin(database)];
    await two.leadership.beat();
    assert.deepEqual(two.told, []);
    await endLease(database);
    await two.leadership.beat();
    assert.deepEqual(two.told, [["gained", 2]]);
    await one.leadership.beat();
    assert.deepEqual(one.told, [["gained", 1], ["lost", 1]]);
    await Promise.all([one.leadership.close(), two.leadership.close()]);
  },
});

Deno.test({
  name: "a leader that hears nothing stops before its time is over, counted from when it asked",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const cut = cutting(world.database);
    const { leadership, told, clock } = await begin(cut.database);
    clock.ms = 5_000;
    await leadership.beat();
    cut.away = true;
    clock.ms = 13_999;
    await leadership.beat();
    assert.deepEqual(told, [["gained", 1]]);
    clock.ms = 14_000;
    assert.equal(leadership.term, null);
    assert.deepEqual(told, [["gained", 1], ["lost", 1]]);
    cut.away = false;
    await leadership.beat();
    assert.deepEqual(told.at(-1), ["gained", 2], "another term, though nobody led between");
    await leadership.close();
  },
});

Deno.test({
  name: "an answer that comes when the time is over begins no term that has ended",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const clock = { ms: 0 };
    let answersAt = 0;
    const slow: Database = {
      ...world.database,
      async ask(...asked) {
        const rows = await world.database.ask(...asked);
        clock.ms = Math.max(clock.ms, answersAt);
        return rows as never;
      },
    };
    const { leadership, told } = await begin(slow, { now: () => clock.ms });
    clock.ms = 8_500;
    answersAt = 9_500;
    await leadership.beat();
    assert.deepEqual(told, [["gained", 1], ["lost", 1]]);
    answersAt = 30_000;
    await leadership.beat();
    assert.deepEqual(told, [["gained", 1], ["lost", 1]], "nor one that is over already");
    await leadership.beat();
    assert.deepEqual(told.at(-1), ["gained", 3]);
    await leadership.close();
  },
});

Deno.test({
  name: "who resigns while it asks whether it leads does not begin to",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const [isAsked, goesOn] = [1, 2].map(() => Promise.withResolvers<void>());
    let isSlow = false;
    const slow: Database = {
      ...world.database,
      async ask(...asked) {
        const rows = await world.database.ask(...asked);
        if (isSlow && asked[0].includes("lead_1")) {
          isAsked!.resolve();
          await goesOn!.promise;
        }
        return rows as never;
      },
    };
    const other = await begin(world.database);
    const { leadership, told } = await begin(slow);
    await other.leadership.resign();
    isSlow = true;
    const beat = leadership.beat();
    await isAsked!.promise;
    const resigned = leadership.resign();
    goesOn!.resolve();
    await Promise.all([beat, resigned]);
    assert.deepEqual(told, []);
    await other.leadership.beat();
    assert.equal(other.leadership.leader().session, null);
    await Promise.all([leadership.close(), other.leadership.close()]);
  },
});

Deno.test({
  name: "who began to lead and did not hear of it begins again, in a term of its own",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const cut = cutting(world.database);
    const session = await beginSession(world.database, "n");
    const told: Told[] = [];
    cut.deaf = true;
    const options: LeadershipOptions = {
      database: cut.database,
      session: () => session,
      onGained: ({ term }) => void told.push(["gained", term]),
      onLost: ({ term }) => void told.push(["lost", term]),
      beatMs: BY_HAND,
    };
    await assert.rejects(Leadership.begin(options));
    cut.deaf = false;
    const leadership = await Leadership.begin(options);
    assert.deepEqual(told, [["gained", 2]]);
    await leadership.close();
  },
});

Deno.test({
  name: "a session that was given up begins to lead no more, and goes on no longer",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const one = await begin(database);
    await database.ask("SELECT end_session_1($1)", [one.session]);
    await one.leadership.beat();
    assert.deepEqual(one.told, [["gained", 1], ["lost", 1]]);
    await endLease(database);
    await one.leadership.beat();
    assert.equal(one.leadership.leader().session, null);
    const two = await begin(database);
    assert.deepEqual(two.told, [["gained", 2]]);
    await Promise.all([one.leadership.close(), two.leadership.close()]);
  },
});
