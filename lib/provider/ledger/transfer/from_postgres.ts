/** The ledger of a fleet as lines. */
import type { Address } from "viem";
import { KhachapuriError } from "../../../errors.ts";
import type { CidText } from "../../../cid.ts";
import type { Outcome } from "../../../receipt.ts";
import type { Database, Parameter } from "../../fleet/database.ts";
import { reap } from "../../fleet/reaping.ts";
import { type LaneJson, laneOfJson } from "../postgres/lane_json.ts";
import type { PurchaseJson } from "../postgres/purchase_json.ts";
import type { RowFacts } from "../postgres/turn.ts";
import type { LedgerSource } from "./ends.ts";
import {
  type AnswerLine,
  type ChargeLine,
  factsText,
  type LaneLine,
  laneLine,
  type Line,
  type NextNumbers,
  type PurchaseLine,
  purchaseLine,
} from "./format.ts";

/** Rows of a statement; of answers, each of which may be a megabyte. */
const ROWS_AT_ONCE = 2_000;
const ANSWERS_AT_ONCE = 8;
/** A session's reservations begin at its number times this. */
const SESSION_STEP = 2 ** 32;

/** Before the ledger came here, and since. */
const GONE = `
  SELECT (g.charges + coalesce((i.gone->>'charges')::int8, 0))::float8 AS charges,
    (g.amount + coalesce((i.gone->>'amount')::numeric, 0))::text AS amount
  FROM journal_gone g LEFT JOIN imports i ON true
`;

/**
 * Gives back what is held by nodes that are gone; none comes back after that.
 * @throws KhachapuriError `access_denied` while a node lives
 */
export async function recoverFleet(database: Database): Promise<void> {
  await reap(database);
  const live = await database.ask<{ node: string }>(
    "SELECT DISTINCT node FROM sessions WHERE NOT reaped ORDER BY node",
  );
  if (live.length > 0) throw alive(live.map(({ node }) => node));
}

export function alive(nodes: readonly string[]): KhachapuriError {
  const which = nodes.length === 0 ? "a node serves" : `nodes serve: ${nodes.join(", ")}`;
  return new KhachapuriError("access_denied", `${which}, and would change what is moved`, {
    hints: ["stop all nodes first; one that was killed is forgotten after ten seconds"],
  });
}

interface LaneRow {
  readonly id: string;
  readonly payer: Address;
  readonly lane: LaneJson;
}

interface ChargeRow {
  readonly reservation: string;
  readonly at: string;
  readonly lane: string;
  readonly charged: string;
  readonly price: string;
  readonly cid: CidText;
  readonly outcome: Outcome;
  readonly facts: RowFacts | null;
}

type PurchaseRow = { readonly chain: string; readonly asset: Address; purchase: PurchaseJson };

type AnswerRow =
  & Omit<AnswerLine[1], "at" | "reservation">
  & { readonly at: string; readonly reservation: string };

export class PostgresSource implements LedgerSource {
  readonly store = "postgres";

  constructor(private readonly database: Database) {}

  async next(): Promise<NextNumbers> {
    const [row] = await this.#ask<{ session: string; purchase: string }>(
      "SELECT next_of_1('sessions') AS session, next_of_1('purchases') AS purchase",
    );
    const reservation = Number(row!.session) * SESSION_STEP;
    return { reservation, purchase: Number(row!.purchase) };
  }

  /** @throws KhachapuriError `access_denied` where a node began to serve meanwhile */
  async *lines(): AsyncGenerator<Line> {
    const before = await this.next();
    // Of the order of any locale: it is that of their bytes.
    const ids = await this.#ask<{ id: string }>(`
      SELECT l.id::text FROM lanes l JOIN accounts a ON a.id = l.account
      ORDER BY a.payer COLLATE "C", l.lane COLLATE "C"
    `);
    const places = new Map(ids.map(({ id }, place) => [id, place]));
    yield* this.#lanes(ids.map(({ id }) => id));
    yield* this.#charges(places);
    yield* this.#purchases();
    yield* this.#answers();
    const [gone] = await this.#ask<{ charges: number; amount: string }>(GONE);
    if (gone!.charges > 0) yield ["gone", gone!.charges, gone!.amount];
    const after = await this.next();
    if (after.reservation !== before.reservation) throw alive([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async *#lanes(ids: readonly string[]): AsyncGenerator<LaneLine> {
    for (let from = 0; from < ids.length; from += ROWS_AT_ONCE) {
      const some = ids.slice(from, from + ROWS_AT_ONCE);
      const rows = await this.#ask<LaneRow>(
        `SELECT l.id::text, a.payer, lane_json(l) AS lane
          FROM lanes l JOIN accounts a ON a.id = l.account
          WHERE l.id = ANY ($1::text::int8[])`,
        [`{${some.join()}}`],
      );
      const found = new Map(rows.map((row) => [row.id, row]));
      for (const id of some) {
        const { payer, lane } = found.get(id)!;
        yield laneLine(laneOfJson(payer, lane));
      }
    }
  }

  async *#charges(places: ReadonlyMap<string, number>): AsyncGenerator<ChargeLine> {
    const rows = this.#pages<ChargeRow>(
      `SELECT reservation, at, lane::text, charged, price, cid, outcome, facts FROM journal
        WHERE reservation > $1 ORDER BY reservation LIMIT ${ROWS_AT_ONCE}`,
      "-1",
      ({ reservation }) => reservation,
    );
    for await (const { reservation, at, lane, charged, price, cid, outcome, facts } of rows) {
      const run = facts === null ? null : factsText(facts);
      const counts = [String(charged), String(price)] as const;
      const place = places.get(lane)!;
      yield ["charge", Number(reservation), Number(at), place, ...counts, cid, outcome, run];
    }
  }

  async *#purchases(): AsyncGenerator<PurchaseLine> {
    const rows = this.#pages<PurchaseRow>(
      `SELECT chain, asset, purchase_json(p) AS purchase FROM purchases p
        WHERE id > $1 ORDER BY id LIMIT ${ROWS_AT_ONCE}`,
      "0",
      ({ purchase }) => String(purchase.id),
    );
    for await (const { chain, asset, purchase } of rows) {
      yield purchaseLine({ ...purchase, chain: Number(chain), asset });
    }
  }

  async *#answers(): AsyncGenerator<AnswerLine> {
    const rows = this.#pages<AnswerRow>(
      `SELECT encode(id, 'hex') AS id, payer, encode(fingerprint, 'hex') AS fingerprint, at,
          reservation, bytes, status, headers, encode(body, 'base64') AS body, why
        FROM answers WHERE id > decode($1, 'hex') AND reservation IS NOT NULL
        ORDER BY id LIMIT ${ANSWERS_AT_ONCE}`,
      "",
      ({ id }) => id,
    );
    for await (const { at, reservation, body, ...row } of rows) {
      const { id, payer, fingerprint, bytes, status, headers, why } = row;
      yield ["answer", {
        ...{ id, payer, fingerprint, at: Number(at), reservation: Number(reservation) },
        ...{ bytes, status, headers, body: body && body.replaceAll("\n", ""), why },
      }];
    }
  }

  async *#pages<Row>(
    statement: string,
    first: string,
    keyOf: (row: Row) => string,
  ): AsyncGenerator<Row> {
    for (let after = first;;) {
      const rows = await this.#ask<Row>(statement, [after]);
      if (rows.length === 0) return;
      yield* rows;
      after = keyOf(rows.at(-1)!);
    }
  }

  #ask<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.database.ask<Row>(statement, parameters, { isLong: true });
  }
}
