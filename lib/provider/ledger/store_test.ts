import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { bordersOf } from "./archive/schema.ts";
import { type Entry, laneOf, lanesOf, outstanding, prepaid } from "./journal.ts";
import { openStore, readJournal, type Store } from "./store.ts";

const PAYERS = ["0x", "0x"].map((prefix, i) => getAddress(`${prefix}${String(i + 1).repeat(40)}`));
const LANES = ["aa", "bb", "cc"].map((byte): Hex => `0x${byte.repeat(32)}`);
const CID = "bafytest" as CidText;
const TX: Hex = `0x${"ee".repeat(32)}`;

async function withLedger(work: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(join(dir, "store.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function snapshot(store: Store): string[] {
  return [...lanesOf(store.book)].map((lane) =>
    JSON.stringify(lane, (_, value) => typeof value === "bigint" ? `${value}n` : value)
  ).sort();
}

/** What a person with paper and pencil would keep. */
interface Paper {
  open: boolean;
  charged: bigint;
  settled: bigint;
  held: number[];
}

type Command =
  | { do: "reserve" | "settle"; payer: number; lane: number; count: number }
  | { do: "charge" | "release"; payer: number; lane: number; count: number }
  | { do: "restart"; payer: number; lane: number; count: number };

const commandArbitrary: fc.Arbitrary<Command> = fc.record({
  do: fc.constantFrom("reserve", "charge", "release", "settle", "reserve", "charge", "restart"),
  payer: fc.nat(PAYERS.length - 1),
  lane: fc.nat(LANES.length - 1),
  count: fc.nat(5),
});

Deno.test("the ledger agrees with paper and pencil through any history and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(commandArbitrary, { maxLength: 60, size: "max" }),
      async (commands) => {
        await withLedger(async (path) => {
          const paper = new Map<string, Paper>();
          let store = await openStore(path);
          for (const command of commands) {
            if (command.do === "restart") {
              await store.close();
              store = await openStore(path);
              for (const page of paper.values()) page.held = [];
            } else await step(store, paper, command);
            assertSame(store, paper);
          }
          // A restart releases what is held, so let go of it before comparing.
          for (const [key, { held }] of paper) {
            const [payer, lane] = key.split(":") as [`0x${string}`, Hex];
            for (const reservation of held) {
              await store.write(
                [{ kind: "release", payer, lane, reservation, reason: "test" }],
                "disk",
              );
            }
          }
          const before = snapshot(store);
          await store.close();
          const replayed = await openStore(path);
          assert.deepEqual(snapshot(replayed), before);
          await replayed.close();
        });
      },
    ),
    { numRuns: 60 },
  );
});

async function step(store: Store, paper: Map<string, Paper>, command: Command): Promise<void> {
  const payer = PAYERS[command.payer]!;
  const lane = LANES[command.lane]!;
  const key = `${payer}:${lane}`;
  const page = paper.get(key) ?? { open: false, charged: 0n, settled: 0n, held: [] };
  paper.set(key, page);
  if (!page.open) {
    const credits = BigInt(command.count);
    await store.write([{ kind: "open", payer, lane, charged: credits }], "disk");
    Object.assign(page, { open: true, charged: credits, settled: credits });
  }
  if (command.do === "reserve") {
    const reservation = store.book.nextReservation++;
    await store.write([{ kind: "reserve", payer, lane, reservation, cid: CID, price: 7n }], "disk");
    page.held.push(reservation);
  } else if (command.do === "settle") {
    page.settled += BigInt(command.count);
    await store.write([{
      kind: "settle",
      payer,
      lane,
      settled: page.settled,
      block: 1n,
      transaction: TX,
    }], "disk");
  } else if (page.held.length > 0) {
    const reservation = page.held.splice(command.count % page.held.length, 1)[0]!;
    if (command.do === "charge") {
      await store.write(
        [{ kind: "charge", payer, lane, reservation, outcome: "answered" }],
        "disk",
      );
      page.charged += 1n;
    } else {
      await store.write([{ kind: "release", payer, lane, reservation, reason: "test" }], "disk");
    }
  }
}

function assertSame(store: Store, paper: Map<string, Paper>): void {
  for (const [key, page] of paper) {
    const [payer, lane] = key.split(":") as [`0x${string}`, Hex];
    const found = laneOf(store.book, payer, lane)!;
    assert.equal(found.charged, page.charged);
    assert.equal(found.held, BigInt(page.held.length));
    assert.equal(found.settled, page.settled);
    const due = page.charged + found.held - page.settled;
    assert.equal(outstanding(found), due > 0n ? due : 0n);
    assert.equal(prepaid(found), due < 0n ? -due : 0n);
  }
}

function sale(reservation: number, price: bigint): Entry[] {
  const [payer, lane] = [PAYERS[0]!, LANES[0]!];
  return [
    { kind: "reserve", payer, lane, reservation, cid: CID, price },
    { kind: "charge", payer, lane, reservation, outcome: "answered" },
  ];
}

Deno.test("what a crash left reserved is released at the next start, and nothing else", async () => {
  await withLedger(async (path) => {
    const [payer, lane] = [PAYERS[0]!, LANES[0]!];
    const store = await openStore(path);
    await store.write([{ kind: "open", payer, lane, charged: 0n }, ...sale(1, 5n)], "disk");
    const held = { payer, lane, reservation: 2, cid: CID, price: 5n } as const;
    await store.write([{ kind: "reserve", ...held }], "disk");
    // No close: the process is gone. SQLite lets another connection read what was committed.
    const next = await openStore(path);
    const found = laneOf(next.book, payer, lane)!;
    assert.equal(found.charged, 1n);
    assert.equal(found.held, 0n);
    assert.ok(next.book.nextReservation > 2);
    const last = readJournal(path, { payer }).at(-1)!;
    assert.equal(last.kind, "release");
    await next.close();
    await store.close();
  });
});

Deno.test("entries of one turn share a commit, in order", async () => {
  await withLedger(async (path) => {
    const store = await openStore(path, () => 1_000);
    const [payer, lane] = [PAYERS[0]!, LANES[0]!];
    await Promise.all([
      store.write([{ kind: "open", payer, lane, charged: 0n }], "disk"),
      ...[1, 2, 3].map((n) => store.write([...sale(n, 5n)], "disk")),
    ]);
    const kinds = readJournal(path, { cid: CID }).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["reserve", "charge", "reserve", "charge", "reserve", "charge"]);
    assert.equal(readJournal(path, { since: new Date(1_001) }).length, 0);
    await store.close();
  });
});

Deno.test("a turn of any size is committed in order and as a whole", async () => {
  await withLedger(async (path) => {
    const [payer, lane] = [PAYERS[0]!, LANES[0]!];
    let good = Infinity;
    // SQLite stores what is no number as NULL, which a row's time may not be.
    const store = await openStore(path, () => good-- > 0 ? 1_000 : NaN);
    const whole: Entry[] = [{ kind: "open", payer, lane, charged: 0n }];
    for (let n = 1; n <= 70; n++) whole.push(...sale(n, 5n));
    await Promise.all(whole.map((entry) => store.write([entry], "handed over")));
    const sequence = readJournal(path, {}).map(({ kind }) => kind);
    assert.deepEqual(sequence, whole.map(({ kind }) => kind));
    const broken = Array.from({ length: 70 }, (_, n) => sale(100 + n, 5n)).flat();
    good = broken.length - 1;
    const writes = broken.map((entry) => store.write([entry], "handed over"));
    for (const write of writes) await assert.rejects(write, { code: "overloaded" });
    assert.equal(readJournal(path, {}).length, whole.length, "nothing of a turn that failed");
    await assert.rejects(store.write([...sale(300, 5n)], "handed over"), { code: "overloaded" });
    await store.close().catch(() => {});
  });
});

Deno.test("once its upkeep has ended a ledger goes on, and is tended no more", () =>
  withLedger(async (path) => {
    const policy = { rows: 1, archiveBytes: Infinity, receiptBytes: Infinity };
    const layout = { blockRows: 1, spanRows: 2, segmentRows: 2 };
    const store = await openStore(path, () => 1_000, undefined, { policy, layout });
    await store.stopUpkeep();
    await store.write([{ kind: "open", payer: PAYERS[0]!, lane: LANES[0]!, charged: 0n }], "disk");
    for (let n = 1; n <= 5; n++) await store.write([...sale(n, 5n)], "disk");
    await store.checkpoint();
    await store.maintain(store.low());
    await store.close();
    const database = new DatabaseSync(path);
    assert.equal(bordersOf(database)!.indexed, 0);
    database.close();
  }));
