/**
 * Nodes of a fleet that serve the same payers on one chain in memory and one database: each has its
 * own lines to both, its views, its ledger, and leads when it is its turn. Nothing goes by time:
 * nodes beat, follow the chain and settle when they are told to.
 */
import type { Hex, LocalAccount } from "viem";
import { parseConfig, type ProviderConfig } from "../../lib/config.ts";
import type { Database } from "../../lib/provider/fleet/database.ts";
import { Sessions } from "../../lib/provider/fleet/sessions.ts";
import { PostgresLedger } from "../../lib/provider/ledger/postgres/postgres_ledger.ts";
import type { Credits } from "../../lib/provider/money/credits.ts";
import {
  type FleetPayments,
  openFleetPayments,
} from "../../lib/provider/settlement/fleet/fleet_payments.ts";
import { VERSION } from "../../lib/version.ts";
import { endLease, type FleetDatabase, freshDatabase } from "../fleet_database.ts";
import { type HeardLog, hearLog } from "../heard_log.ts";
import type { Cluster } from "../postgres/cluster.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, type FakeChain, fakeChain, type FakeEndpoint } from "./fake_chain.ts";
import { billFor, permitOf, PRICE, PROVIDER } from "./payer_bills.ts";
import { creditsOn } from "./payment_history.ts";

export const [ANNA, BERT] = [anvilAccount(4), anvilAccount(5)];
export const LANE: Hex = `0x${"1a".repeat(32)}`;
/** What each allows at first. */
export const CREDITS = 100n;

export class MoneyNode {
  payments!: FleetPayments;
  credits!: Credits;
  sessions!: Sessions;
  isKilled = false;
  /** What the database is asked passes here first. */
  intercept: (statement: string) => Promise<void> = () => Promise.resolve();
  readonly database: Database;

  constructor(
    readonly name: string,
    readonly endpoint: FakeEndpoint,
    world: FleetDatabase,
    private readonly log: HeardLog["log"],
  ) {
    this.database = {
      ...world.database,
      ask: async (statement, ...more) => {
        await this.intercept(statement);
        return await world.database.ask(statement, ...more);
      },
    };
  }

  /** @param beatMs of who leads; by hand where nothing is said */
  async open(provider: ProviderConfig, beatMs = 1_000_000): Promise<this> {
    const { database, name, log } = this;
    this.sessions = await Sessions.begin({
      database,
      card: { node: name, url: `http://${name}.example`, version: VERSION },
      facts: () => ({}),
      onLost: () => this.payments.ledger.beginAnew(),
    });
    this.payments = await openFleetPayments({
      chain: this.endpoint.chain,
      escrow: FAKE_ESCROW,
      provider,
      account: anvilAccount(2),
      log,
      now: Date.now,
      receiptPollMs: 1,
      database,
      session: () => this.sessions.session,
      openLedger: (settling) =>
        new PostgresLedger({
          database,
          session: () => this.sessions.session,
          renew: () => this.sessions.beat(),
          giveUp: () => Promise.resolve(),
          settling,
          heldElsewhere: () => 0n,
          log,
          now: Date.now,
        }),
      thawingPeriodSeconds: 3_600n,
      beatMs,
    });
    this.credits = creditsOn(this.payments, Date.now);
    await this.payments.settlement.changed();
    await this.follow();
    return this;
  }

  /** It says that it leads, or begins to, and hears who does. */
  async beat(): Promise<void> {
    await this.payments.leadership.beat();
    await this.payments.settlement.changed();
    await this.payments.ledger.refresh();
  }

  /** It hears of the chain's newest blocks. */
  async follow(): Promise<void> {
    await this.payments.follower.poll();
    await this.payments.settlement.tenure?.follower.poll();
  }

  /** One call from its admission to its charge. @returns whether it was served */
  async call(payer: LocalAccount, lane = LANE): Promise<boolean> {
    const bill = billFor(payer, lane, await permitOf(payer, lane, 1_000_000n, 0));
    try {
      const hold = await this.credits.hold(await this.credits.admit(bill));
      await hold.charge("answered", null);
      return true;
    } catch {
      return false;
    }
  }

  /** Its process is no more: nothing that it asked is ever answered. */
  kill(): void {
    this.isKilled = true;
    this.intercept = () => new Promise(() => {});
    this.endpoint.intercept = () => new Promise(() => {});
  }

  async close(): Promise<void> {
    this.endpoint.intercept = null;
    await this.payments.close();
    await this.sessions.end();
  }
}

export async function openFleetMoney(cluster: Cluster) {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(cluster));
  const fake: FakeChain = fakeChain(PROVIDER.address);
  for (const { address } of [ANNA, BERT]) fake.allow(address, PRICE, CREDITS);
  const heard = hearLog();
  const provider = settings();
  const owned = stack.move();
  return {
    fake,
    heard,
    database: world.database,
    /** The log's lines of one message. */
    told: (message: string) => heard.lines.filter((line) => line.includes(`"${message}"`)).length,
    async node(name: string, beatMs?: number): Promise<MoneyNode> {
      const node = new MoneyNode(name, fake.endpoint(name), world, heard.log);
      await node.open(provider, beatMs);
      owned.defer(async () => {
        if (!node.isKilled) await node.close();
      });
      return node;
    },
    /** Nobody has heard of the leader for ten seconds. */
    silence: () => endLease(world.database),
    /** What the escrow took of a payer. */
    taken: ({ address }: LocalAccount, lane = LANE) => fake.consumed(address, lane),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function settings(): ProviderConfig {
  return parseConfig({
    provider: {
      name: "provider.test",
      address: PROVIDER.address,
      webDomain: "http://provider.test",
      price: String(PRICE),
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      settlement: { pollMs: 600_000, intervalSeconds: 600, amount: "1000000000" },
    },
  }, "/").provider!;
}
