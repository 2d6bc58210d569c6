/** Where answers under keys are kept, for tests of what each such place has to do. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { AnswersMost } from "../lib/provider/call/answers_table.ts";
import type { Claim, Idempotency, Taken } from "../lib/provider/call/idempotency.ts";
import { PostgresIdempotency } from "../lib/provider/call/postgres_idempotency.ts";
import { SqliteIdempotency } from "../lib/provider/call/sqlite_idempotency.ts";
import type { Database } from "../lib/provider/fleet/database.ts";
import { reap } from "../lib/provider/fleet/reaping.ts";
import { type FleetDatabase, freshDatabase } from "./fleet_database.ts";
import { makeFolder } from "./home.ts";
import type { Cluster } from "./postgres/cluster.ts";

/** A process with its runs. */
export interface AnsweringNode {
  readonly answers: Idempotency;
  /** A credit for a run: its number. */
  hold(): Promise<number>;
  /** @throws Error when it is held no more */
  charge(reservation: number): Promise<void>;
}

export interface KeptAnswers extends AsyncDisposable {
  /** A process begins; the one before it has died. */
  begin(): Promise<AnsweringNode>;
  wait(ms: number): Promise<void>;
}

export async function openSqliteAnswers(most?: AnswersMost): Promise<KeptAnswers> {
  const folder = await makeFolder();
  const charged = new Set<number>();
  let now = 1_000_000_000;
  let holds = 0;
  let last: SqliteIdempotency | null = null;
  const open = () =>
    new SqliteIdempotency({
      path: join(folder.dir, "answers.db"),
      wasCharged: (reservation) => charged.has(reservation),
      now: () => now,
      ...(most ? { most } : {}),
    });
  return {
    begin() {
      last?.close();
      last = open();
      return Promise.resolve({
        answers: last,
        hold: () => Promise.resolve(++holds),
        charge: (reservation) => Promise.resolve(void charged.add(reservation)),
      });
    },
    wait: (ms) => Promise.resolve(void (now += ms)),
    async [Symbol.asyncDispose]() {
      last?.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const PRICE = 1;
const CREDITS_MOST = "1000000";

/** What a session holds and charges on the one lane that there is, by turns. */
export class SessionCredits {
  #turns = 0;
  #holds = 0;

  constructor(private readonly database: Database, readonly session: number) {}

  /** @throws Error for a session that is given up */
  async hold(): Promise<number> {
    // Another session may have changed the lane meanwhile.
    while (await this.#turn({ wants: [[1, CREDITS_MOST]] }) === 0);
    return this.session * 2 ** 32 + ++this.#holds;
  }

  /** @throws Error for a session that is given up */
  async charge(reservation: number): Promise<void> {
    const row = [reservation, 0, PRICE, "bafytest", "answered", null];
    await this.#turn({ rows: [row], steps: [[PRICE, 1]] });
  }

  /** @returns what it was granted */
  async #turn(asked: Record<string, unknown>): Promise<number> {
    const [lane] = await this.database.ask<{ version: string }>("SELECT version FROM lanes");
    const turn = {
      ...{ account: 1, lane: 1, turn: ++this.#turns, version: Number(lane!.version) },
      ...{ releases: 0, ceiling: CREDITS_MOST, block: "1", rows: [], steps: [], wants: [] },
      ...asked,
    };
    const [row] = await this.database.ask<{ answers: [number, string, number][] }>(
      "SELECT turn_1($1, $2::text::jsonb) AS answers",
      [this.session, JSON.stringify([turn])],
    );
    const [, state, granted] = row!.answers[0]!;
    if (state !== "done") throw new Error(`the session is ${state}`);
    return granted;
  }
}

/** A node of a fleet. */
export class FleetNode implements AnsweringNode {
  /** Reservations that its runs are about to charge. */
  readonly charging = new Set<number>();

  private constructor(
    private readonly database: Database,
    public credits: SessionCredits,
    readonly answers: PostgresIdempotency,
  ) {}

  /** @param link its connection, where it is another one than its ledger's */
  static async begin(
    database: Database,
    { link = database, most }: { link?: Database; most?: AnswersMost } = {},
  ): Promise<FleetNode> {
    const credits = await beginSession(database);
    const answers = await PostgresIdempotency.open({
      database: link,
      session: () => node.session,
      isCharging: (reservation) => node.charging.has(reservation),
      now: Date.now,
      ...(most ? { most } : {}),
    });
    const node = new FleetNode(database, credits, answers);
    return node;
  }

  get session(): number {
    return this.credits.session;
  }

  /** It has learnt that its session was given up. */
  async renew(): Promise<void> {
    this.credits = await beginSession(this.database);
  }

  hold(): Promise<number> {
    return this.credits.hold();
  }

  charge(reservation: number): Promise<void> {
    return this.credits.charge(reservation);
  }
}

async function beginSession(database: Database): Promise<SessionCredits> {
  const [row] = await database.ask<{ session: number }>(
    "SELECT begin_session_1('n', 'http://n:1', '1', '{}') AS session, open_1('0xpayer', '0xlane', 0)",
  );
  return new SessionCredits(database, row!.session);
}

export interface FleetAnswers extends KeptAnswers {
  readonly database: Database;
  readonly address: FleetDatabase["address"];
  open: FleetDatabase["open"];
  /** One node more. */
  join(options?: Parameters<typeof FleetNode.begin>[1]): Promise<FleetNode>;
  /** Nothing was heard of a session for too long, */
  silence(session: number): Promise<void>;
  /** who noticed it writes that it is over, */
  giveUp(): Promise<void>;
  /** and gives back what it held. */
  giveBack(): Promise<void>;
  /** All three. */
  end(session: number): Promise<void>;
}

export async function openFleetAnswers(
  cluster: Cluster,
  most?: AnswersMost,
): Promise<FleetAnswers> {
  const { database, address, open, ...world } = await freshDatabase(cluster);
  const nodes: FleetNode[] = [];
  const join = async (options = {}) => {
    const node = await FleetNode.begin(database, { ...(most ? { most } : {}), ...options });
    nodes.push(node);
    return node;
  };
  const silence = async (session: number) => {
    const over = "UPDATE sessions SET until = now() - interval '1 ms' WHERE id = $1 AND NOT reaped";
    await database.ask(over, [session]);
  };
  const giveUp = () => reap(database, 0);
  const giveBack = () => reap(database);
  const end = async (session: number) => {
    await silence(session);
    await giveBack();
  };
  return {
    ...{ database, address, open, join, silence, giveUp, giveBack, end },
    async begin() {
      const last = nodes.at(-1);
      if (last) await end(last.session);
      return await join();
    },
    async wait(ms) {
      await database.ask("UPDATE answers SET at = at - $1::int8", [ms]);
    },
    async [Symbol.asyncDispose]() {
      for (const { answers } of nodes) answers.close();
      await world[Symbol.asyncDispose]();
    },
  };
}

export function claimOf(taken: Taken): Claim {
  assert.ok("claim" in taken, "it was answered before");
  return taken.claim;
}
