/**
 * Random histories of a ledger that keeps and parks its lanes, is closed, taken over, killed
 * between any two slices, or loses its power: what a start finds is what replaying the whole
 * journal gives.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { Hex } from "viem";
import { bothImages, imageOf, replayed } from "../../../worlds/book_image.ts";
import {
  CID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  signatureOf,
  THIRD_LANE,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { readAhead } from "./book_reader.ts";
import { type Entry, laneOf, lanesOf } from "./journal.ts";
import { openStore, readJournal, type Store } from "./store.ts";

const PAYERS = [PAYER, OTHER_PAYER];
const LANES: readonly Hex[] = [LANE, OTHER_LANE, THIRD_LANE];
/** Of the blocks that settlements are of, 0 to 3, this one and those below are final. */
const FINAL = 2n;
const IN_USE = { isInUse: true, ahead: null };

const step = fc.record({
  do: fc.constantFrom(
    ...(["reserve", "reserve", "charge", "charge", "charge", "release", "permit"] as const),
    ...(["settle", "settle", "level", "level", "refuse"] as const),
    ...(["checkpoint", "checkpoint", "checkpoint", "kill", "tear", "close", "read"] as const),
    "take over" as const,
  ),
  payer: fc.constantFrom(...PAYERS),
  lane: fc.constantFrom(...LANES),
  amount: fc.bigInt(1n, 4n),
  until: fc.constantFrom("disk" as const, "handed over" as const),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What a provider would write next. */
function entriesOf({ do: what, payer, lane: id, amount }: Step, store: Store): Entry[] {
  const { book } = store;
  const lane = laneOf(book, payer, id);
  const name = { payer, lane: id };
  if (!lane) return [{ kind: "open", ...name, charged: amount }];
  const reservation = lane.reserved[0];
  const settle = (settled: bigint): Entry => (
    { kind: "settle", ...name, settled, block: amount - 1n, transaction: TRANSACTION }
  );
  switch (what) {
    case "reserve":
      return [{
        kind: "reserve",
        ...name,
        reservation: book.nextReservation++,
        cid: CID,
        price: amount,
      }];
    case "charge":
      if (reservation === undefined) return [];
      return [{ kind: "charge", ...name, reservation, outcome: "answered" }];
    case "release":
      if (reservation === undefined) return [];
      return [{ kind: "release", ...name, reservation, reason: "test" }];
    case "permit": {
      const signature = signatureOf(Number(amount));
      const permit = permitOf({ ...name, credits: lane.charged + amount, signature });
      return [{ kind: "permit", ...name, permit, signer: payer }];
    }
    case "settle":
      return [settle(lane.settled + amount)];
    case "level":
      return [settle(lane.charged)];
    case "refuse": {
      const reason = "NoCredits";
      return [{ kind: "skip", ...name, charged: lane.charged, reason, transaction: TRANSACTION }];
    }
    default:
      return [];
  }
}

/** The ledger's files as a crash would leave them. */
async function copyOf(path: string, to: string): Promise<string> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  await Deno.mkdir(to);
  for (const end of ["", "-wal", "-handed-over"]) {
    await Deno.copyFile(path + end, join(to, `ledger.db${end}`)).catch(() => {});
  }
  return join(to, "ledger.db");
}

function assertWhole(path: string, entries: number | null): void {
  const images = bothImages(path, FINAL);
  assert.deepEqual(images.found, images.expected);
  if (entries !== null) assert.equal(images.entries, entries);
}

/** A power that is lost leaves the beginning of the log, and of what was handed over any part. */
async function tear(path: string, share: number): Promise<void> {
  const log = `${path}-wal`;
  const { size } = await Deno.stat(log).catch(() => ({ size: 0 }));
  if (size > 0) await Deno.truncate(log, Math.floor(size * share));
  if (share < 0.5) await Deno.remove(`${path}-handed-over`).catch(() => {});
}

async function live(steps: readonly Step[], share: number): Promise<{ parked: number }> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const path = join(dir, "ledger.db");
  const killed = join(dir, "killed");
  let clock = NOW_MS;
  let parked = 0;
  let store: Store;
  const keeping = {
    finalBlock: () => FINAL,
    sliceLanes: 1,
    // Killed here, between two slices, and before the mark moves.
    pause: async () => assertWhole(await copyOf(path, killed), store.entries()),
  };
  const open = (left = IN_USE) => openStore(path, () => clock, left, keeping);
  store = await open();
  stack.defer(() => store.close());
  for (const each of steps) {
    clock += 2_000;
    await store.write(entriesOf(each, store), each.until);
    if (each.do === "checkpoint") {
      const before = [...lanesOf(store.book)].length;
      await store.checkpoint();
      parked += before - [...lanesOf(store.book)].length;
      assertWhole(await copyOf(path, killed), store.entries());
    } else if (each.do === "kill") {
      const left = await copyOf(path, killed);
      await (await openStore(left, () => clock, IN_USE)).close(true);
      assertWhole(left, store.entries());
    } else if (each.do === "tear") {
      const torn = await copyOf(path, killed);
      await tear(torn, share);
      await (await openStore(torn, () => clock, IN_USE)).close(true);
      assertWhole(torn, null);
    } else if (each.do === "close") {
      await store.close();
      store = await open();
    } else if (each.do === "take over") {
      const ahead = readAhead(path)!;
      // The one before goes on, and keeps what it changes.
      const [payer, lane] = [each.payer, LANES[Number(each.amount) % LANES.length]!];
      await store.write(entriesOf({ ...each, do: "reserve", payer, lane }, store), "handed over");
      await store.write(entriesOf({ ...each, do: "charge", payer, lane }, store), "handed over");
      if (each.amount > 2n) await store.checkpoint();
      await store.close(true);
      store = await openStore(path, () => clock, { isInUse: true, ahead }, keeping);
      ahead.close();
    }
  }
  const { book, names } = replayed(readJournal(path, {}));
  const found = imageOf(store.book, names, FINAL);
  assert.deepEqual(found, imageOf(book, names, FINAL));
  return { parked };
}

Deno.test("a start finds what the whole journal says, whenever lanes are kept and whatever ends it", async () => {
  let parked = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 45, size: "max" }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (steps, share) => {
        parked += (await live(steps, share)).parked;
      },
    ),
    { numRuns: 25 },
  );
  assert.ok(parked > 0, "no history parked a lane");
});
