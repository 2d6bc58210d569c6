/**
 * What an instance has signed: its lanes, its deposits, what a provider's word was believed for.
 * Saved before anything is sent that the saved text does not cover, so an end of the process can
 * lose counts, which providers prove, and never what was signed for.
 */
import type { Address, Hex } from "viem";
import * as v from "valibot";
import { clientLane } from "../../../lib/chain/lane.ts";
import {
  type DepositAuthorization,
  depositShape,
  depositToJson,
} from "../../../lib/deposit_authorization.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import { LANES_REMEMBERED_MAX } from "../../../lib/limits.ts";
import type { EscrowDomain } from "../../../lib/permit.ts";
import { addressShape, hexShape, parseJson, parseShape, uintShape } from "../../../lib/shape.ts";
import type { CreditsStore } from "../index.d.ts";
import { exposure, type Lane, newLane } from "./lane.ts";
import { randomLane } from "./settings.ts";

/** A provider, in one escrow. */
export interface ProviderKey extends EscrowDomain {
  readonly provider: Address;
}

interface SignedDeposit extends ProviderKey {
  readonly deposit: DepositAuthorization;
}

const place = { chainId: v.number(), escrow: addressShape, provider: addressShape };
const count = uintShape(128);

const laneShape = v.strictObject({
  ...place,
  id: hexShape(32),
  price: count,
  base: count,
  signed: count,
  charged: count,
});

const textShape = v.strictObject({
  version: v.literal(1),
  payer: addressShape,
  lanes: v.array(laneShape),
  deposits: v.array(v.strictObject({ ...place, deposit: depositShape })),
  believed: count,
});

const WHAT = "the store of CreditsScheme";

export class Book {
  readonly #lanes: Lane[] = [];
  #deposits: SignedDeposit[] = [];
  /** USDC base units, of all providers. */
  believed = 0n;
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  private constructor(
    private readonly payer: Address,
    private readonly store: CreditsStore | null,
  ) {}

  /** @throws KhachapuriError `invalid_config` when the store holds something else */
  static async open(payer: Address, store: CreditsStore | null): Promise<Book> {
    const book = new Book(payer, store);
    const text = await store?.load() ?? null;
    if (text !== null) book.#read(text);
    return book;
  }

  #read(text: string): void {
    const json = parseJson(text, WHAT, "invalid_config");
    const { payer, lanes, deposits, believed } = parseShape(
      textShape,
      json,
      WHAT,
      "invalid_config",
    );
    if (payer !== this.payer) {
      throw new KhachapuriError("invalid_config", `${WHAT} is ${payer}'s, not ${this.payer}'s`, {
        hints: ["give each payer a store of its own"],
      });
    }
    // All that was signed for may have been used before the end.
    for (const each of lanes) {
      const known = { called: each.signed, takesSeveral: false, underway: [] };
      this.#lanes.push({ ...each, ...known });
    }
    this.#deposits = deposits;
    this.believed = believed;
  }

  get lanes(): readonly Lane[] {
    return this.#lanes;
  }

  /** The lane for credits of a price, as far as there is one. */
  find(key: ProviderKey, price: bigint): Lane | null {
    return this.#lanes.find((each) => isAt(each, key) && each.price === price) ?? null;
  }

  byId(key: ProviderKey, id: Hex): Lane | null {
    return this.#lanes.find((each) => isAt(each, key) && each.id === id) ?? null;
  }

  /**
   * A lane that counts from its first permit on; not kept yet.
   * @throws KhachapuriError `payment_required` when there are too many
   */
  lane(key: ProviderKey, price: bigint, label: string | null): Lane {
    if (this.#lanes.length >= LANES_REMEMBERED_MAX) {
      const message = `${LANES_REMEMBERED_MAX} providers and prices were paid already`;
      throw new KhachapuriError("payment_required", message, {
        hints: ["name whom you mean in `providers`, and begin a new store"],
      });
    }
    const { chainId, escrow, provider } = key;
    const id = label === null ? randomLane() : clientLane(this.payer, `${label} at ${price}`);
    return newLane({ chainId, escrow, provider, id, price });
  }

  keep(lane: Lane): void {
    if (!this.#lanes.includes(lane)) this.#lanes.push(lane);
  }

  /** What may be charged at most, of one provider's address or of all; USDC base units. */
  exposure(provider?: Address): bigint {
    return this.#lanes
      .filter((each) => provider === undefined || each.provider === provider)
      .reduce((sum, each) => sum + exposure(each), 0n);
  }

  /** The last deposit that was signed for the provider. */
  deposit(key: ProviderKey): DepositAuthorization | null {
    return this.#deposits.findLast((each) => isAt(each, key))?.deposit ?? null;
  }

  /** Of all deposits, USDC base units. */
  get deposited(): bigint {
    return this.#deposits.reduce((sum, { deposit }) => sum + deposit.amount, 0n);
  }

  noteDeposit({ chainId, escrow, provider }: ProviderKey, deposit: DepositAuthorization): void {
    this.#deposits.push({ chainId, escrow, provider, deposit });
  }

  /** Resolves when the store holds all that is noted by now; those who wait share a write. */
  save(): Promise<void> {
    const { store } = this;
    if (store === null) return Promise.resolve();
    this.#next ??= this.#saving.then(() => {
      this.#next = null;
      // A write that failed is its own callers' to hear of.
      const write = store.save(this.#text());
      this.#saving = write.catch(() => {});
      return write;
    });
    return this.#next;
  }

  #text(): string {
    const lanes = this.#lanes.map(({ chainId, escrow, provider, id, ...counts }) => ({
      chainId,
      escrow,
      provider,
      id,
      price: String(counts.price),
      base: String(counts.base),
      signed: String(counts.signed),
      charged: String(counts.charged),
    }));
    const deposits = this.#deposits.map((each) => ({
      ...each,
      deposit: depositToJson(each.deposit),
    }));
    const { payer, believed } = this;
    return JSON.stringify({ version: 1, payer, lanes, deposits, believed: String(believed) });
  }
}

function isAt(one: ProviderKey, other: ProviderKey): boolean {
  return one.chainId === other.chainId && one.escrow === other.escrow &&
    one.provider === other.provider;
}
