/** Nodes of a fleet whose calls are paid by `exact`, one of which leads, before a real chain. */
import { join } from "node:path";
import type { Order, Purchase } from "../lib/provider/ledger/purchase_rows.ts";
import { FleetExact } from "../lib/provider/settlement/exact/fleet_exact.ts";
import { openOperator, type Operator } from "../lib/provider/settlement/operator.ts";
import { openOutboxStore } from "../lib/provider/settlement/outbox_store.ts";
import { ACCOUNTS } from "./chain/people.ts";
import { startUsdcChain, type UsdcChain } from "./chain/usdc_chain.ts";
import { type FleetDatabase, freshDatabase } from "./fleet_database.ts";
import { type HeardLog, hearLog } from "./heard_log.ts";
import { makeFolder } from "./home.ts";
import type { Cluster } from "./postgres/cluster.ts";
import { beginSession, lead } from "./purchase_books.ts";

export interface ExactNode extends Pick<FleetExact, "purchases" | "settler"> {
  readonly session: number;
  /** Taken for a run. */
  order(order: Order): Promise<Purchase>;
  /** It leads from now on, whoever did. */
  lead(): Promise<ExactLeader>;
}

export interface ExactLeader {
  readonly operator: Operator;
  doubtAbove(block: bigint): Promise<void>;
  /** It leads no more. */
  close(): Promise<void>;
}

export class ExactFleet {
  readonly heard: HeardLog = hearLog();

  private constructor(
    readonly chain: UsdcChain,
    readonly world: FleetDatabase,
    private readonly dir: string,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(server: Cluster): Promise<ExactFleet> {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(await startUsdcChain());
    const world = stack.use(await freshDatabase(server));
    const { dir } = stack.use(await makeFolder());
    await chain.mint(ACCOUNTS.payer, 1_000n);
    return new ExactFleet(chain, world, dir, stack.move());
  }

  async node(): Promise<ExactNode> {
    const { chain: { chain, usdc }, heard: { log }, stack } = this;
    const database = await this.world.open();
    const session = await beginSession(database);
    const exact = new FleetExact({
      database,
      session: () => session,
      chain,
      usdc,
      payTo: ACCOUNTS.provider.address,
      coinPrice: 0n,
      log,
      now: Date.now,
      laterNow: Date.now,
    });
    stack.defer(() => exact.close());
    const { purchases, settler } = exact;
    return {
      session,
      purchases,
      settler,
      async order(order) {
        const result = await purchases.order(order, null);
        if ("refusal" in result) throw new Error(result.refusal.reason);
        return result.purchase;
      },
      lead: () => this.#lead(exact, session),
    };
  }

  async #lead(exact: FleetExact, session: number): Promise<ExactLeader> {
    const { heard: { log }, world: { database }, stack } = this;
    const parts = new AsyncDisposableStack();
    const term = await lead(database, session);
    const operator = await openOperator({
      store: openOutboxStore(join(this.dir, "operator.db")),
      chain: this.chain.chain,
      account: ACCOUNTS.operator,
      log,
      pollMs: 20,
      onMined: (receipt) => leader.onMined(receipt),
    });
    parts.defer(() => operator.close());
    const leader = exact.lead(operator, () => {}, term);
    parts.defer(() => leader.close());
    leader.start();
    stack.use(parts);
    return { operator, doubtAbove: leader.doubtAbove, close: () => parts.disposeAsync() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}
