import assert from "node:assert/strict";
import type { Address } from "viem";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import type { Database } from "../../fleet/database.ts";
import { sharedLastRelays } from "./shared_last_relays.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const ANNA: Address = `0x${"aA".repeat(20)}`;
const BERT: Address = `0x${"bb".repeat(20)}`;
const DAY_MS = 86_400_000;
const KEEP_MS = 2 * DAY_MS;

async function pass(database: Database, ms: number): Promise<void> {
  await database.ask("UPDATE relayed SET at = at - $1", [ms]);
}

Deno.test({
  name: "what one node relayed all know, until it is out of its time",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const [one, two] = [1, 2].map(() => sharedLastRelays(world.database, KEEP_MS));
    assert.equal(await one!.note(ANNA, "deposit", DAY_MS), true);
    const at = await two!.at(ANNA.toLowerCase() as Address, "deposit");
    assert.ok(Math.abs(at! - Date.now()) < 60_000);
    assert.equal(await two!.at(ANNA, "Revoke"), undefined, "each kind");
    assert.equal(await two!.at(BERT, "deposit"), undefined, "each payer");
    await pass(world.database, KEEP_MS);
    assert.equal(await two!.at(ANNA, "deposit"), undefined);
    const third = sharedLastRelays(world.database, KEEP_MS);
    await third.note(BERT, "deposit", DAY_MS);
    const left = await world.database.ask("SELECT payer FROM relayed");
    assert.deepEqual([...left], [{ payer: BERT }]);
  },
});

Deno.test({
  name: "of two nodes that are asked at once one relays",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const nodes = await Promise.all([1, 2, 3].map(() => world.open()));
    const last = nodes.map((database) => sharedLastRelays(database, KEEP_MS));
    const noted = await Promise.all(last.map((node) => node.note(ANNA, "deposit", DAY_MS)));
    assert.equal(noted.filter(Boolean).length, 1);
    const [first] = noted.flatMap((isNoted, index) => isNoted ? [index] : []);
    assert.equal(await last[first!]!.note(ANNA, "deposit", DAY_MS), true, "heard or not");
    await pass(world.database, DAY_MS);
    assert.equal(await last[(first! + 1) % 3]!.note(ANNA, "deposit", DAY_MS), true);
  },
});

Deno.test({
  name: "what was not sent after all its own node takes back, and no other",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const [one, two] = [1, 2].map(() => sharedLastRelays(world.database, KEEP_MS));
    await one!.note(ANNA, "deposit", DAY_MS);
    two!.takeBack(ANNA, "deposit");
    assert.equal(await two!.note(ANNA, "deposit", DAY_MS), false);
    one!.takeBack(ANNA, "deposit");
    while (await two!.at(ANNA, "deposit") !== undefined);
    assert.equal(await two!.note(ANNA, "deposit", DAY_MS), true);
  },
});
