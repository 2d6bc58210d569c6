/**
 * A ledger for a provider of one process, made of lines. It is made under another name and has its
 * own when all is there; while that file is there no provider starts. Lanes are kept as they came
 * and the journal has what was charged; it begins behind the first segment's rows, as one does
 * whose older rows were let go of, because charges alone do not say what lanes are.
 */
import type { DatabaseSync } from "node:sqlite";
import { dirname } from "node:path";
import { KhachapuriError } from "../../../errors.ts";
import { isMissing, syncFolder } from "../../../files.ts";
import { openStateDatabase } from "../../../state_database.ts";
import { createArchive, LAYOUT, type Layout } from "../archive/schema.ts";
import { noTotals, type Totals, totalsText } from "../archive/totals.ts";
import { SCHEMA, toRow, withCounter } from "../codec.ts";
import { type Durable, openDurable } from "../durable.ts";
import { prepare } from "../journal_table.ts";
import { stateText } from "../lane_state.ts";
import { LANES_SCHEMA, moveMark } from "../lane_table.ts";
import type { LaneId } from "../entries.ts";
import { prepared } from "../prepared.ts";
import { PURCHASES_SCHEMA } from "../purchase_rows.ts";
import { RECEIPTED_SCHEMA } from "../receipted.ts";
import { importingPath, isThere, LEDGER_VERSION, ROWS_VERSION } from "../version.ts";
import type { LedgerTarget } from "./ends.ts";
import {
  type AnswerLine,
  type ChargeLine,
  factsOf,
  type Header,
  type LaneLine,
  laneOfLine,
  type Line,
  type PurchaseLine,
} from "./format.ts";
import { isEmpty, type SqlitePlaces, SqliteSource } from "./from_sqlite.ts";

/** Lines of a transaction. */
const LINES_AT_ONCE = 10_000;
/** What SQLite and a ledger keep beside a file. */
const BESIDE = ["-wal", "-shm", "-journal", "-handed-over", "-ballast"];

export interface SqliteTargetOptions {
  readonly places: SqlitePlaces;
  /** Makes the tables of answers under keys, with what counts them. */
  makeAnswers(database: DatabaseSync): void;
  /** Of its archive to come. */
  readonly layout?: Layout;
}

/** Three databases, each in a transaction. */
interface Opened {
  readonly ledger: Durable;
  readonly purchases: Durable;
  readonly answers: DatabaseSync;
}

export class SqliteTarget implements LedgerTarget {
  readonly store = "sqlite";
  readonly #places: SqlitePlaces;
  /** The ledger while it is made. */
  readonly #path: string;
  #opened: Opened | null = null;
  readonly #lanes: LaneId[] = [];
  #lines = 0;
  readonly #layout: Layout;
  /** The last row. */
  #seq: number;
  #gone: Totals = noTotals();
  #insertTwo: ReturnType<typeof prepare> | null = null;

  constructor(private readonly options: SqliteTargetOptions) {
    this.#places = options.places;
    this.#path = importingPath(options.places.ledger);
    this.#layout = options.layout ?? LAYOUT;
    this.#seq = this.#layout.segmentRows;
  }

  async begin(): Promise<void> {
    const { ledger, purchases, answers } = this.#places;
    // It is there before anything else is, so what is beside it is of the import that it is of.
    if (isThere(this.#path)) await remove(purchases, answers, this.#path);
    else if (!isEmpty(this.#places)) throw full(dirname(ledger));
    const schema = `${SCHEMA}; ${RECEIPTED_SCHEMA}; ${LANES_SCHEMA}`;
    const opened: Opened = {
      ledger: openDurable(this.#path, schema, LEDGER_VERSION, ROWS_VERSION),
      purchases: openDurable(purchases, PURCHASES_SCHEMA),
      answers: openStateDatabase(answers),
    };
    this.#opened = opened;
    await syncFolder(dirname(ledger));
    this.options.makeAnswers(opened.answers);
    createArchive(opened.ledger.database, this.#layout);
    this.#each("BEGIN");
  }

  adapted(line: Line): Line {
    return line;
  }

  put(line: Line): Promise<void> {
    switch (line[0]) {
      case "lane":
        this.#putLane(line);
        break;
      case "charge":
        this.#putCharge(line);
        break;
      case "purchase":
        this.#putPurchase(line);
        break;
      case "answer":
        this.#putAnswer(line);
        break;
      case "gone":
        this.#gone = {
          ...noTotals(),
          rows: { reserve: line[1], charge: line[1] },
          reserved: BigInt(line[2]),
          charged: BigInt(line[2]),
        };
    }
    if (++this.#lines % LINES_AT_ONCE === 0) this.#each("COMMIT; BEGIN");
    return Promise.resolve();
  }

  flush(): Promise<void> {
    const { database } = this.#parts.ledger;
    const before = this.#layout.segmentRows;
    database.prepare("INSERT INTO carried VALUES (1, ?, ?)").run(before, totalsText(this.#gone));
    database.prepare("UPDATE indexing SET up_to = ?").run(before);
    // Lanes are as of the last row: none of the journal is needed to know them.
    database.prepare("UPDATE lanes SET seq = ?").run(this.#seq);
    moveMark(database, { low: this.#seq, nextReservation: 1 });
    this.#each("COMMIT");
    return Promise.resolve();
  }

  source(): SqliteSource {
    return new SqliteSource({ ...this.#places, ledger: this.#path });
  }

  async commit({ next }: Header): Promise<void> {
    const { ledger, purchases, answers } = this.#parts;
    moveMark(ledger.database, { low: this.#seq, nextReservation: next.reservation });
    const { database } = purchases;
    database.exec("DELETE FROM sqlite_sequence WHERE name = 'purchases'");
    database.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('purchases', ?)")
      .run(next.purchase - 1);
    for (const each of [ledger.database, database, answers]) putOnDisk(each);
    await this.close();
    await remove(this.#places.ledger);
    await Deno.rename(this.#path, this.#places.ledger);
    await syncFolder(dirname(this.#path));
  }

  close(): Promise<void> {
    this.#opened?.ledger.close();
    this.#opened?.purchases.close();
    this.#opened?.answers.close();
    this.#opened = null;
    return Promise.resolve();
  }

  get #parts(): Opened {
    if (this.#opened === null) throw new Error("the import has not begun");
    return this.#opened;
  }

  #each(sql: string): void {
    const { ledger, purchases, answers } = this.#parts;
    for (const database of [ledger.database, purchases.database, answers]) database.exec(sql);
  }

  #putLane(line: LaneLine): void {
    const lane = laneOfLine(line);
    this.#lanes.push({ payer: lane.payer, lane: lane.lane });
    prepared(this.#parts.ledger.database, "INSERT INTO lanes VALUES (?, ?, 0, 0, ?)")
      .run(lane.payer, lane.lane, stateText(lane, new Map()));
  }

  /** A run from its reservation, which says which deployment's it is, to its charge. */
  #putCharge([, reservation, at, index, counter, price, cid, outcome, run]: ChargeLine): void {
    const { payer, lane } = this.#lanes[index]!;
    const id = { payer, lane, reservation };
    const reserve = toRow({ kind: "reserve", ...id, cid, price: BigInt(price) }, at);
    const charged = BigInt(counter);
    const facts = run && { ...factsOf(run), cid, price: BigInt(price), charged };
    const charge = toRow({ kind: "charge", ...id, outcome, ...facts ? { facts } : {} }, at);
    if (facts === null) charge[7] = withCounter(outcome, charged);
    this.#insertTwo ??= prepare(this.#parts.ledger.database, 2);
    this.#insertTwo.run(++this.#seq, ...reserve, ++this.#seq, ...charge);
  }

  #putPurchase([, { facts, request, key, ...row }]: PurchaseLine): void {
    const columns = {
      ...row,
      request: Uint8Array.fromHex(request),
      key: key === null ? null : Uint8Array.fromHex(key),
      facts: facts === null ? null : JSON.stringify(factsOf(facts)),
    };
    this.#insert(this.#parts.purchases.database, "purchases", columns);
  }

  #putAnswer([, { id, fingerprint, body, ...row }]: AnswerLine): void {
    this.#insert(this.#parts.answers, "answers", {
      ...row,
      id: Uint8Array.fromHex(id),
      fingerprint: Uint8Array.fromHex(fingerprint),
      body: body === null ? null : Uint8Array.fromBase64(body),
    });
  }

  #insert(
    database: DatabaseSync,
    table: string,
    columns: Readonly<Record<string, string | number | Uint8Array | null>>,
  ): void {
    const names = Object.keys(columns);
    const places = names.map(() => "?").join(", ");
    prepared(database, `INSERT INTO ${table} (${names.join(", ")}) VALUES (${places})`)
      .run(...Object.values(columns));
  }
}

function full(book: string): KhachapuriError {
  const aside = `${book}/earlier`;
  return new KhachapuriError("invalid_input", `there is a ledger in ${book} already`, {
    hints: [
      "what is imported takes no other ledger's place: keep that one aside, with all beside it",
      `mkdir -p ${aside} && mv ${book}/ledger* ${book}/purchases.db* ${book}/answers.db* ${aside}`,
    ],
  });
}

/** All of it, in the file itself: what is renamed has no log beside it. */
function putOnDisk(database: DatabaseSync): void {
  const row = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
  if (row.busy !== 0) throw new Error("somebody else has what is imported open");
}

/** With what is kept beside them. */
async function remove(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (const beside of [...BESIDE, ""]) {
      await Deno.remove(`${path}${beside}`).catch((error) => {
        if (!isMissing(error)) throw error;
      });
    }
  }
}
