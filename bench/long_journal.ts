/**
 * A ledger of any length, as release 0.1.0 wrote it: calls that owners paid for, in turn on up to a
 * thousand lanes, all settled long ago. SQLite makes the rows by itself, a million in some seconds.
 */
import { DatabaseSync } from "node:sqlite";
import { readConfig } from "../lib/config.ts";
import { type CidText, formatCid } from "../lib/cid.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { type Permit, permitToJson, UINT128_MAX, UINT64_MAX } from "../lib/permit.ts";
import { openStore } from "../lib/provider/ledger/store.ts";
import { personAt } from "../worlds/chain/crowd.ts";
import { laneAt } from "../worlds/chain/watched_payers.ts";

/** Its tables as version 2 has them, whatever this release's are. */
const VERSION = 2;
const SCHEMA = `
  CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payer TEXT NOT NULL,
    lane TEXT NOT NULL,
    reservation INTEGER,
    deployment TEXT,
    amount TEXT,
    detail TEXT
  ) STRICT
`;
const LANES_MOST = 1_000;
/** The rare lane has so many calls among all others. */
const RARE_CALLS = 50;
/** Between two entries: a hundred calls a second. */
const ENTRY_MS = 5;
const PRICE = 1_000;
/** Nobody looks for it. */
const PROVIDER = personAt(99_999).address;

export interface LongJournal {
  /** A payer, and the one deployment that it pays for, with few calls among all others. */
  readonly rare: { readonly payer: string; readonly cid: CidText };
  /** A moment shortly before the last entry. */
  readonly lately: Date;
}

/** Writes it to a new file at `path`. @param at of the last entry, Unix ms */
export function writeJournal(path: string, entries: number, at: number): LongJournal {
  const lanes = Math.min(LANES_MOST, entries / 100);
  const calls = Math.floor((entries - 3 * lanes) / 2);
  const every = Math.floor(calls / RARE_CALLS);
  const from = at - ENTRY_MS * entries;
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      PRAGMA user_version = ${VERSION}; ${SCHEMA}; CREATE TEMP TABLE lanes (
        n INTEGER PRIMARY KEY, payer TEXT, lane TEXT, cid TEXT, permit TEXT, calls INTEGER)`);
    database.exec("BEGIN");
    const insert = database.prepare("INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?)");
    for (const [n, count] of callsOf(lanes, calls, every).entries()) {
      const permit = permitOf(n);
      const text = JSON.stringify(permitToJson(permit));
      insert.run(n, permit.payer, permit.lane, cidOf(n), text, count);
    }
    database.exec(rowsOf({ lanes, calls, every, from }));
    database.exec("COMMIT");
  } finally {
    database.close();
  }
  const rare = { payer: permitOf(0).payer, cid: cidOf(0) };
  return { rare, lately: new Date(at - 1_000) };
}

/**
 * Indexes and archives a journal that a provider has begun with, as the provider does while it
 * serves, but without a rest. @returns how many of its rows are in the archive
 */
export async function tendJournal(home: string, path: string): Promise<number> {
  const { provider } = await readConfig(home);
  const { rows, archiveGb, receiptGb } = provider!.ledger;
  const policy = { rows, archiveBytes: archiveGb * 1e9, receiptBytes: receiptGb * 1e9 };
  const rest = () => Promise.resolve();
  const store = await openStore(path, Date.now, undefined, { policy, rest });
  await store.maintain(store.low());
  await store.close();
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const { oldest } = database.prepare("SELECT min(seq) AS oldest FROM journal").get()!;
    return Number(oldest) - 1;
  } finally {
    database.close();
  }
}

/** How often each lane is called. */
function callsOf(lanes: number, calls: number, every: number): number[] {
  const counts = Array<number>(lanes).fill(0);
  for (let k = 0; k < calls; k++) counts[k % every === 0 ? 0 : 1 + k % (lanes - 1)]!++;
  return counts;
}

interface Shape {
  readonly lanes: number;
  readonly calls: number;
  /** One call in so many is the rare lane's. */
  readonly every: number;
  readonly from: number;
}

/** Statements that insert the rows in order: lanes are opened, called in turn, and settled. */
function rowsOf({ lanes, calls, every, from }: Shape): string {
  const first = 2 * lanes;
  const last = first + 2 * calls;
  const at = (seq: string) => `${from} + ${ENTRY_MS} * (${seq})`;
  return `
    INSERT INTO journal SELECT 2 * n + 1, ${at("2 * n + 1")}, 'open', payer, lane,
      NULL, NULL, '0', NULL FROM lanes;
    INSERT INTO journal SELECT 2 * n + 2, ${at("2 * n + 2")}, 'permit', payer, lane,
      NULL, NULL, payer, permit FROM lanes;
    WITH RECURSIVE row(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM row WHERE i < ${2 * calls - 1})
    INSERT INTO journal SELECT ${first + 1} + i, ${at(`${first + 1} + i`)},
      iif(i & 1, 'charge', 'reserve'), payer, lane, 1 + (i >> 1),
      iif(i & 1, NULL, cid), iif(i & 1, NULL, '${PRICE}'), iif(i & 1, 'answered', NULL)
    FROM row CROSS JOIN lanes
      ON lanes.n = iif((i >> 1) % ${every} = 0, 0, 1 + (i >> 1) % ${lanes - 1});
    INSERT INTO journal SELECT ${last + 1} + n, ${at(`${last + 1} + n`)}, 'settle', payer, lane,
      NULL, NULL, CAST(calls AS TEXT), '["1","${laneAt(7)}"]' FROM lanes`;
}

function cidOf(n: number): CidText {
  return formatCid(importFile(new TextEncoder().encode(`deployment ${n}`)).root);
}

/** All of it is settled: nobody looks at its signature. */
function permitOf(n: number): Permit {
  return {
    payer: personAt(100_000 + n).address,
    provider: PROVIDER,
    lane: laneAt(n + 1),
    price: BigInt(PRICE),
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 0,
    signature: `0x${"5e".repeat(65)}`,
  };
}
