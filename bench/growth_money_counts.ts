/** What many payers cost the chain, counted on the chain in memory. */
import { BATCH_ROWS } from "../lib/provider/settlement/capacity.ts";
import { permitOf, PRICE } from "../worlds/chain/payer_bills.ts";
import {
  BLOCK_MS,
  laneAt,
  openWatchedPayers,
  payerAt,
  until,
} from "../worlds/chain/watched_payers.ts";
import { atMost, type Must, type Row } from "./report.ts";

const PAYERS = 1_000;
const LANES = 1_000;
const CREDITS = 1_000_000n;
const BLOCKS_A_MINUTE = 60_000 / BLOCK_MS;
/** Batches that are out at once. */
const FLIGHTS = 8;

export async function measureCounts(): Promise<{ rows: Row[]; must: Must[] }> {
  const first = await firstCalls(LANES);
  const [early, minute] = await minutesOfPayers(PAYERS);
  return {
    rows: [
      { what: `first calls on ${LANES} lanes of one owner`, requests: first },
      { what: `first minute of ${PAYERS} payers, with settlement`, requests: early! },
      { what: "each one after it", requests: minute! },
    ],
    must: [
      atMost("1,000 payers, each minute", Math.max(early!, minute!), "requests", 300),
      atMost("1,000 lanes' first calls", first, "requests", 5_000),
    ],
  };
}

/**
 * Each payer calls every six seconds, and all is settled once a minute.
 * @returns requests of the first minute and of the one after it
 */
export async function minutesOfPayers(count: number): Promise<number[]> {
  await using world = await openWatchedPayers();
  const { fake, payments: { settlement, operator } } = world;
  const payers = Array.from({ length: count }, (_, n) => payerAt(n));
  for (const { address } of payers) fake.allow(address, PRICE, CREDITS);
  await world.look();
  const lane = laneAt(1);
  const permits = await Promise.all(payers.map((payer) => permitOf(payer, lane, CREDITS, 0)));
  fake.isMining = false;
  const pass = async () => {
    for (let block = 0; block < BLOCKS_A_MINUTE; block++) {
      const callers = payers.keys().filter((n) => n % 3 === block % 3);
      await Promise.all(callers.map((n) => world.call(payers[n]!, lane, permits[n]!)));
      if (block === BLOCKS_A_MINUTE / 2) {
        settlement.settleDue();
        const flights = Math.min(FLIGHTS, Math.ceil(count / BATCH_ROWS));
        await until(() => operator.pending() >= flights);
      }
      await world.look();
    }
  };
  return [await world.counted(pass), await world.counted(pass)];
}

/** Requests for the first call on each of so many lanes of one owner. */
export async function firstCalls(count: number): Promise<number> {
  await using world = await openWatchedPayers();
  const owner = payerAt(0);
  world.fake.allow(owner.address, PRICE, CREDITS);
  await world.look();
  return await world.counted(async () => {
    for (let lane = 0; lane < count; lane++) {
      await world.call(owner, laneAt(lane));
      if (lane % 5 === 4) await world.look();
    }
  });
}
