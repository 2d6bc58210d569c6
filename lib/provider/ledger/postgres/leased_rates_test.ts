import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { asKhachapuriError } from "../../../errors.ts";
import type { Database } from "../../fleet/database.ts";
import { LeasedRates } from "./leased_rates.ts";

const SERVER = await startFleetServer();
const KEY = "owner:lane";

/** Two nodes. */
function test(name: string, fn: (one: Database, two: Database) => Promise<void>): void {
  Deno.test({
    name,
    ignore: SERVER === null,
    async fn() {
      await using world = await freshDatabase(SERVER!);
      await fn(world.database, await world.open());
    },
  });
}

/** How many of so many calls at once are let through. */
async function passed(rates: LeasedRates, perMinute: number, calls: number): Promise<number> {
  const said = await Promise.allSettled(
    Array.from({ length: calls }, () => rates.take(KEY, perMinute)),
  );
  for (const each of said) {
    if (each.status === "rejected") {
      const { code, retryAfterSeconds } = asKhachapuriError(each.reason);
      assert.equal(code, "rate_limited");
      assert.ok(retryAfterSeconds! >= 1);
    }
  }
  return said.filter(({ status }) => status === "fulfilled").length;
}

test("however many nodes there are, a rate is one", async (first, second) => {
  for (const perMinute of [1, 2, 7, 600]) {
    const [one, two] = [new LeasedRates(first), new LeasedRates(second)];
    let through = 0;
    for (let round = 0; round < 4; round++) {
      const both = [one, two].map((rates) => passed(rates, perMinute, Math.ceil(perMinute / 3)));
      for (const each of await Promise.all(both)) through += each;
    }
    // While they came some were refilled.
    const most = perMinute + Math.ceil(perMinute / 60 * 5);
    assert.ok(through >= perMinute && through <= most, `${through} of ${perMinute}`);
    await Promise.all([one.close(), two.close()]);
  }
});

test("what one node does not give out is had at another", async (first, second) => {
  const [one, two] = [new LeasedRates(first), new LeasedRates(second)];
  assert.equal(await passed(one, 960, 1), 1);
  await one.close();
  assert.equal(await passed(two, 960, 959), 959);
  await two.close();
});

test("a call that cost nothing leaves its token to the next", async (first) => {
  const rates = new LeasedRates(first);
  assert.equal(await passed(rates, 1, 1), 1);
  assert.equal(await passed(rates, 1, 1), 0);
  rates.giveBack(KEY, 1);
  assert.equal(await passed(rates, 1, 2), 1);
  await rates.close();
});

test("while the database is away calls are told so", async (first) => {
  const rates = new LeasedRates(first);
  await first.close();
  const error = await rates.take(KEY, 5).catch(asKhachapuriError);
  assert.equal(error?.code, "database_unavailable");
  await rates.close();
});
