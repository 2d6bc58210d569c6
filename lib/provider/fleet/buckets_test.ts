import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { giveTokensBack, type Lacking, leaseTokens, returnTokens, takeTokens } from "./buckets.ts";
import type { Database } from "./database.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

/** Two at once, and one more each 100 s. */
const ALL = { key: "all", size: 2, perSecond: 0.01 };
const own = (name: string) => ({ key: `of ${name}`, size: 1, perSecond: 0.001 });

async function pass(database: Database, seconds: number): Promise<void> {
  await database.ask(
    "UPDATE buckets SET full_at = full_at - make_interval(secs => $1)",
    [seconds],
  );
}

function isAbout(lacking: Lacking | null, index: number, seconds: number): void {
  assert.equal(lacking?.index, index);
  const { waitSeconds } = lacking!;
  assert.ok(waitSeconds <= seconds && waitSeconds > seconds - 30, String(waitSeconds));
}

Deno.test({
  name: "all nodes take from one bucket, and who finds none is told for how long",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const other = await world.open();
    assert.equal(await takeTokens(database, [ALL]), null);
    assert.equal(await takeTokens(other, [ALL]), null);
    isAbout(await takeTokens(other, [ALL]), 0, 100);
    await pass(database, 60);
    isAbout(await takeTokens(database, [ALL]), 0, 40);
    await pass(database, 40);
    assert.equal(await takeTokens(database, [ALL]), null);
    await pass(database, 1_000_000);
    assert.equal(await takeTokens(database, [ALL]), null);
    assert.equal(await takeTokens(database, [ALL]), null);
    isAbout(await takeTokens(database, [ALL]), 0, 100);
  },
});

Deno.test({
  name: "a token of each is taken or none, and what came to nothing is given back",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    assert.equal(await takeTokens(database, [own("anna"), ALL]), null);
    isAbout(await takeTokens(database, [own("anna"), ALL]), 0, 1_000);
    assert.equal(await takeTokens(database, [own("bert"), ALL]), null, "Anna took none of all");
    isAbout(await takeTokens(database, [own("carl"), ALL]), 1, 100);
    await giveTokensBack(database, [own("bert"), ALL]);
    assert.equal(await takeTokens(database, [own("carl"), ALL]), null, "nor Carl of his own");
  },
});

Deno.test({
  name: "however many take at once, no more is given than there is",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const others = await Promise.all([1, 2, 3].map(() => world.open()));
    const taken = await Promise.all(
      Array.from({ length: 24 }, (_, n) => takeTokens(others[n % 3]!, [own(`${n}`), ALL])),
    );
    assert.equal(taken.filter((lacking) => lacking === null).length, 2);
  },
});

Deno.test({
  name: "what is full again takes no row",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    for (const name of ["anna", "bert"]) await takeTokens(database, [own(name)]);
    await pass(database, 2_000);
    await takeTokens(database, [ALL]);
    assert.deepEqual([...await database.ask("SELECT key FROM buckets")], [{ key: "all" }]);
  },
});

Deno.test({
  name: "of one as many are leased as are wanted or there, and what is returned is there again",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const bucket = { key: "rate", size: 10, perSecond: 0.1 };
    const leased = async (wanted: number) => (await leaseTokens(database, bucket, wanted)).taken;
    assert.equal(await leased(4), 4);
    assert.equal(await leased(100), 6);
    const none = await leaseTokens(database, bucket, 1);
    assert.equal(none.taken, 0);
    assert.ok(none.waitSeconds > 5 && none.waitSeconds <= 10, String(none.waitSeconds));
    await returnTokens(database, bucket, 3);
    assert.equal(await leased(5), 3);
    await pass(database, 20);
    assert.equal(await leased(5), 2);
    await pass(database, 1_000_000);
    assert.equal(await leased(50), 10, "it was full long ago, and holds no more for it");
  },
});
