/**
 * Nodes of a fleet that send on one chain in memory by one database. Each has lines of its own to
 * both, which can fall silent: what was asked is never answered, as for a process that is no more.
 */
import type { Address, TransactionReceipt } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { ContractCall } from "../../lib/chain/client.ts";
import { silentLog } from "../../lib/log.ts";
import { signPermit, UINT64_MAX } from "../../lib/permit.ts";
import type { Database } from "../../lib/provider/fleet/database.ts";
import type { Term } from "../../lib/provider/fleet/leadership.ts";
import { tellMined, WishDesk } from "../../lib/provider/settlement/fleet/wish_desk.ts";
import { FleetOperator } from "../../lib/provider/settlement/fleet/wishes.ts";
import { openOperator, type Operator } from "../../lib/provider/settlement/operator.ts";
import { askChain } from "../../lib/provider/settlement/operator_questions.ts";
import { postgresOutboxStore } from "../../lib/provider/settlement/postgres_outbox_store.ts";
import { beginSession, type FleetDatabase, freshDatabase, leadAlone } from "../fleet_database.ts";
import type { Cluster } from "../postgres/cluster.ts";
import { anvilAccount } from "./anvil.ts";
import { FAKE_ESCROW, type FakeChain, fakeChain, type FakeEndpoint } from "./fake_chain.ts";

const PROVIDER = anvilAccount(1).address;
const PAYER = anvilAccount(4);
const OPERATOR = anvilAccount(2);
const PRICE = 5n;

export interface FleetChain extends AsyncDisposable {
  readonly fake: FakeChain;
  readonly world: FleetDatabase;
  /** Whose credits calls take. */
  readonly payer: Address;
  node(name: string): Promise<SendingNode>;
  /** Takes a credit on the nth lane each time that it is mined. */
  call(lane: number): Promise<ContractCall>;
  /** How often the nth call was mined. */
  times(lane: number): bigint;
}

export class SendingNode {
  readonly mined: TransactionReceipt[] = [];
  readonly database: Database;
  readonly sender: FleetOperator;
  /** How often it was asked to settle. */
  settled = 0;
  term: Term | null = null;
  operator: Operator | null = null;
  desk: WishDesk | null = null;
  /** What the database is asked by who leads passes here first. */
  intercept: (statement: string) => Promise<void> = () => Promise.resolve();

  constructor(
    private readonly world: FleetDatabase,
    readonly endpoint: FakeEndpoint,
    readonly session: number,
  ) {
    this.database = {
      ...world.database,
      ask: async (statement, ...more) => {
        await this.intercept(statement);
        return await world.database.ask(statement, ...more);
      },
    };
    this.sender = new FleetOperator({
      database: world.database,
      questions: askChain(endpoint.chain, OPERATOR.address, Date.now),
      onWish: () => this.desk?.look(),
      pollMs: 5,
    });
  }

  /** Whoever leads has not been heard of for too long, and this node leads. */
  async lead(): Promise<Operator> {
    const { database, endpoint: { chain } } = this;
    this.term = await leadAlone(this.world.database, this.session);
    this.operator = await openOperator({
      store: postgresOutboxStore(database, this.term),
      chain,
      account: OPERATOR,
      log: silentLog,
      onMined: async (receipt) => {
        this.mined.push(receipt);
        await tellMined(database, receipt);
      },
      pollMs: 1,
    });
    const { term, operator } = this;
    const settle = () => Promise.resolve(void (this.settled += 1));
    this.desk = new WishDesk({ database, term, operator, settle, idleMs: 5 });
    return this.operator;
  }

  /** Leads no more. */
  async stop(): Promise<void> {
    await Promise.all([this.desk?.close(), this.operator?.close()]);
    this.desk = this.operator = null;
  }

  /** Of its process nothing leads any more, in the midst of whatever it did. */
  kill(): void {
    this.intercept = () => new Promise(() => {});
    this.endpoint.intercept = () => new Promise(() => {});
    this.desk = this.operator = null;
  }
}

export async function openFleetChain(cluster: Cluster): Promise<FleetChain> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(cluster));
  const fake = fakeChain(PROVIDER);
  fake.allow(PAYER.address, PRICE, 50n);
  const domain = { chainId: fake.chain.chainId, escrow: FAKE_ESCROW };
  const laneOf = (lane: number) => `0x${lane.toString(16).padStart(64, "0")}` as const;
  const owned = stack.move();
  return {
    fake,
    world,
    payer: PAYER.address,
    async node(name) {
      const session = await beginSession(world.database, name);
      const node = new SendingNode(world, fake.endpoint(name), session);
      owned.defer(async () => {
        node.endpoint.intercept = null;
        await node.sender.close();
        await node.stop();
      });
      return node;
    },
    async call(lane) {
      const permit = await signPermit(PAYER, domain, {
        ...{ payer: PAYER.address, provider: PROVIDER, lane: laneOf(lane), price: PRICE },
        ...{ credits: 100n, deadline: UINT64_MAX, epoch: 0 },
      });
      const args = [PRICE, permit];
      return { address: FAKE_ESCROW, abi: escrowAbi, functionName: "consume", args };
    },
    times: (lane) => fake.consumed(PAYER.address, laneOf(lane)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
