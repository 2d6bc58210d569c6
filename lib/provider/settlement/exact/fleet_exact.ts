/**
 * Payments by authorisation at one node of a fleet: the book and the settler, which its calls use
 * all the time, and what it does for the calls of all nodes while it leads.
 */
import type { Address } from "viem";
import type { Chain } from "../../../chain/client.ts";
import type { After } from "../../../chain/outbox/pace.ts";
import type { Log } from "../../../log.ts";
import type { Database } from "../../fleet/database.ts";
import { LeadersPurchases, type SettlersTerm } from "../../ledger/postgres/leaders_purchases.ts";
import { PostgresPurchases } from "../../ledger/postgres/postgres_purchases.ts";
import { PurchaseWishes } from "../../ledger/postgres/purchase_wishes.ts";
import { BlockWatch } from "./block_watch.ts";
import { ExactSettlement, type ExactSettlementOptions } from "./exact_settlement.ts";
import { FleetSettler } from "./fleet_settler.ts";
import { WishedPayments } from "./wished_payments.ts";

export interface FleetExactOptions {
  database: Database;
  /** Of this node, now. */
  session(): number;
  chain: Chain;
  usdc: Address;
  /** Who gets the money. */
  payTo: Address;
  /** Of one whole coin that gas is paid in, USDC base units. */
  coinPrice: bigint;
  log: Log;
  /** ms since the epoch; */
  now: () => number;
  /** and the later of that and the chain's. */
  laterNow: () => number;
  /** The timer of looks for blocks; a test passes its own. */
  after?: After;
}

/** While this node leads: from `start` on, until it is closed. */
export type LeadersExact = Pick<
  ExactSettlement,
  "start" | "onMined" | "doubtAbove" | "alarms" | "close"
>;

export class FleetExact {
  readonly purchases: PostgresPurchases;
  readonly settler: FleetSettler;
  readonly #options: FleetExactOptions;
  readonly #wishes: PurchaseWishes;
  #wished: WishedPayments | null = null;

  constructor(options: FleetExactOptions) {
    this.#options = options;
    const { database, session, chain: { chainId }, usdc: asset, now } = options;
    const purchases = this.purchases = new PostgresPurchases({
      ...{ database, session, chainId, asset, now },
    });
    const wishes = this.#wishes = new PurchaseWishes(database);
    const onWish = () => void this.#wished?.pickUp();
    this.settler = new FleetSettler({ wishes, purchases, chainId, onWish });
  }

  /**
   * Settles what calls of all nodes wait for, in a term in which this node leads.
   * @param onRest as of `ExactSettlement`
   */
  lead(
    operator: ExactSettlementOptions["operator"],
    onRest: ExactSettlementOptions["onRest"],
    term: SettlersTerm,
  ): LeadersExact {
    const { database, chain, usdc, payTo, coinPrice, log, now, laterNow, after } = this.#options;
    const purchases = new LeadersPurchases(database, this.purchases, term);
    const blocks = new BlockWatch({
      head: () => chain.public.getBlockNumber({ cacheTime: 0 }),
      now,
      ...(after === undefined ? {} : { after }),
    });
    const settlement = new ExactSettlement({
      ...{ chain, usdc, payTo, purchases, operator, blocks, coinPrice, log, laterNow, onRest },
      // Whose orders wait the book says, at every node.
      reverts: { admit() {}, note: (payer) => purchases.noteReverted(payer) },
    });
    const wished = new WishedPayments({ wishes: this.#wishes, term, settlement, log });
    return {
      start: () => {
        settlement.start();
        wished.start();
        this.#wished = wished;
      },
      onMined: (receipt) => settlement.onMined(receipt),
      doubtAbove: (block) => settlement.doubtAbove(block),
      alarms: () => settlement.alarms(),
      close: async () => {
        if (this.#wished === wished) this.#wished = null;
        // First: what the settlement says as it closes is nobody's answer.
        await wished.close();
        await settlement.close();
      },
    };
  }

  /** Calls that wait are told that nobody knows. */
  async close(): Promise<void> {
    await this.settler.close();
  }
}
