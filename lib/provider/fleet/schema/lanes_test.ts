/** What the database keeps of lanes, as the chain tells of them. */
import assert from "node:assert/strict";
import {
  beginSession,
  type FleetDatabase,
  freshDatabase,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { assertBooks } from "../../../../worlds/fleet_ledger.ts";
import type { Database } from "../database.ts";

const SERVER = await startFleetServer();
/** Blocks that a reorganisation may take back, of the chain told of here. */
const REACH = 10;

interface Steps {
  readonly upto: string[];
  readonly price: string[];
  readonly owed: string;
}

/** A session with a lane on which each credit has another price than the one before. */
class World {
  #turn = 0;
  #charged = 0;

  private constructor(readonly database: Database, private readonly session: number) {}

  static async begin({ database }: FleetDatabase): Promise<World> {
    const world = new World(database, await beginSession(database, "n1"));
    await database.ask("SELECT open_1('p', '0xl', 0)");
    await world.#take({ wants: [[500, "1000"]] });
    return world;
  }

  async charge(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => ++this.#charged);
    const priced = numbers.map((n) => [n, n % 2 ? "5" : "6"] as const);
    const rows = priced.map(([n, price]) => {
      return [this.session * 2 ** 32 + n, 1, price, "bafy", "answered", null];
    });
    await this.#take({ rows, steps: priced.map(([, price]) => [price, 1]) });
  }

  async settle(settled: number, block: number, fact = "settled"): Promise<void> {
    const told = { payer: "p", lane: "0xl", fact, settled: String(settled), block: String(block) };
    await this.database.ask("SELECT record_1($1::text::jsonb)", [
      JSON.stringify([{ ...told, final: String(block - REACH) }]),
    ]);
    await assertBooks(this.database);
  }

  async steps(): Promise<Steps> {
    const [lane] = await this.database.ask<Steps>(
      `SELECT array_to_json(steps_upto::text[]) AS upto,
          array_to_json(steps_price::text[]) AS price, owed::text AS owed
        FROM lanes`,
    );
    return lane!;
  }

  async #take(more: Record<string, unknown>): Promise<void> {
    const base = { account: 1, lane: 1, releases: 0, ceiling: "1000", block: "1", version: 0 };
    const said = { ...base, turn: ++this.#turn, rows: [], steps: [], wants: [], ...more };
    await this.database.ask("SELECT turn_1($1, $2::text::jsonb)", [
      this.session,
      JSON.stringify([said]),
    ]);
  }
}

function test(name: string, fn: (world: World) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using fresh = await freshDatabase(SERVER!);
      await fn(await World.begin(fresh));
    },
  });
}

test("prices that no reorganisation makes due again go, however often they changed", async (world) => {
  for (let block = 1; block <= 20; block++) {
    await world.charge(20);
    await world.settle(block * 20, block * 4);
  }
  const { upto, owed } = await world.steps();
  assert.equal(owed, "0");
  // Those of the last ten blocks, and of as many before.
  assert.ok(upto.length <= 120, `${upto.length} steps of which nothing is owed`);
  await world.settle(400, 81, "level");
  await world.settle(400, 95, "level");
  await world.settle(400, 110, "level");
  assert.deepEqual(await world.steps(), { upto: ["400"], price: ["6"], owed: "0" });
});

test("what a reorganisation makes due again is due at its own prices", async (world) => {
  await world.charge(20);
  await world.settle(10, 5);
  await world.settle(20, 14);
  await world.settle(4, 14, "level");
  assert.equal((await world.steps()).owed, String(16 * 5.5));
  // And again, before the block of the first settlement is out of reach for the one that counts.
  await world.settle(20, 15);
  await world.settle(4, 24, "level");
  assert.equal((await world.steps()).owed, String(16 * 5.5));
});

test("of lanes only those go that nobody charged or holds, or has a turn of", async (world) => {
  const { database } = world;
  await world.charge(1);
  for (const lane of ["0xm", "0xn"]) await database.ask("SELECT open_1('p', $1, 0)", [lane]);
  await database.ask("SELECT open_1('q', '0xo', 0)");
  await database.ask(
    `INSERT INTO holds SELECT session, l.id, l.account, 0, 1, 0, 0 FROM holds, lanes l
      WHERE l.lane = '0xn'`,
  );
  const forget = async () => {
    await database.ask(
      `SELECT forget_lanes_1(a.id, (SELECT array_agg(id) FROM lanes)) FROM accounts a
        WHERE payer = 'p'`,
    );
    const left = await database.ask<{ lane: string }>("SELECT lane FROM lanes ORDER BY lane");
    return left.map(({ lane }) => lane);
  };
  assert.deepEqual(await forget(), ["0xl", "0xn", "0xo"]);
  await database.ask("UPDATE sessions SET reaped = true");
  assert.deepEqual(await forget(), ["0xl", "0xo"], "a dead node knows none");
  await assertBooks(database);
});
