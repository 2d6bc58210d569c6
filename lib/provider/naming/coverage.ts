/**
 * Whether owners' names in the register are covered by what the owners have allowed. Money that
 * leaves takes what it was good for along: the names taken last lapse, after a while in which the
 * owner can allow more.
 */
import type { Address } from "viem";
import {
  NAME_OWNERS_LOOKED_AT_MAX,
  NAME_OWNERS_LOOKED_AT_WHEN_FULL_MAX,
  NAME_UNCOVERED_MS_MAX,
  NAME_UNCOVERED_WHEN_FULL_MS_MAX,
} from "../../limits_of_names.ts";
import type { NameRegister, NameWriter, RegisteredName } from "./register.ts";

/** What an owner has allowed this provider. */
export interface Allowed {
  /** USDC base units that are locked and not about to leave. */
  readonly amount: bigint;
  /** Whether it pays one call at least. */
  readonly paysCall: boolean;
}

export interface CoverageOptions {
  register: NameRegister;
  /** Where names are noted, or lapse; the register itself unless it is given. */
  writer?: Pick<NameWriter, "cover">;
  /** Names for each USDC that is allowed. */
  perUsdc: number;
  /**
   * What the owner of a name has allowed.
   * @param isSure whether the chain is to be asked, before a no is said
   * @param from the address of who is the reason to ask; undefined: we are
   * @throws KhachapuriError when it can't be found out now
   */
  allowedTo(name: RegisteredName, isSure: boolean, from?: string): Promise<Allowed>;
  now: () => number;
}

const USDC = 1_000_000n;
/** All names are gone through for room this often at most, ms. */
const ROOM_AGAIN_MS = 10_000;

/** Whoever can pay a call has one. */
export function namesFor({ amount, paysCall }: Allowed, perUsdc: number): number {
  const bought = amount * BigInt(perUsdc) / USDC;
  const least = paysCall ? 1n : 0n;
  return Number(bought > least ? bought : least);
}

/** When a name lapses unless its owner allows more, Unix ms; null: it is covered. */
export function lapsesAt({ uncoveredSince }: RegisteredName): number | null {
  return uncoveredSince === null ? null : uncoveredSince + NAME_UNCOVERED_MS_MAX;
}

export class Coverage {
  /** Owners that are to be looked at yet, until it is everybody's turn again. */
  #next: Address[] = [];
  #roomAt = -Infinity;

  constructor(private readonly options: CoverageOptions) {}

  /**
   * Looks at the owners whose turn it is, one after the other, and lets lapse what was not covered
   * for long.
   * @param signal ends it before the next one
   */
  async sweep(signal?: AbortSignal): Promise<void> {
    if (this.#next.length === 0) this.#next = this.options.register.owners();
    for (const owner of this.#next.splice(0, NAME_OWNERS_LOOKED_AT_MAX)) {
      if (signal?.aborted) return;
      await this.#look(owner, NAME_UNCOVERED_MS_MAX);
    }
  }

  /**
   * Somebody wants a name: what is over its time stands in nobody's way.
   * @param from the caller's address
   */
  async makeWay(label: string, owner: Address, from: string): Promise<void> {
    const { register, now } = this.options;
    const present = register.get(label);
    if (present === null) return await this.#makeRoom(from);
    const end = lapsesAt(present);
    if (present.owner === owner || end === null || now() < end) return;
    await this.#look(present.owner, NAME_UNCOVERED_MS_MAX, from);
  }

  /** In a full register the names that are not covered go before their time, longest first. */
  async #makeRoom(from: string): Promise<void> {
    const { register, now } = this.options;
    if (now() - this.#roomAt < ROOM_AGAIN_MS || !register.isFull()) return;
    this.#roomAt = now();
    const owners = new Set(register.uncovered().map(({ owner }) => owner));
    for (const owner of [...owners].slice(0, NAME_OWNERS_LOOKED_AT_WHEN_FULL_MAX)) {
      await this.#look(owner, NAME_UNCOVERED_WHEN_FULL_MS_MAX, from);
      if (!register.isFull()) return;
    }
  }

  /** While nobody can say what an owner has allowed, nothing of it counts as gone. */
  async #look(owner: Address, keepMs: number, from?: string): Promise<void> {
    const { register, writer = register, now } = this.options;
    const most = await this.#most(owner, from).catch(() => null);
    if (most === null) return;
    await writer.cover(owner, most, now() - keepMs);
  }

  async #most(owner: Address, from?: string): Promise<number | null> {
    const { register, perUsdc, allowedTo } = this.options;
    const [name] = register.ofOwner(owner);
    if (!name) return null;
    const known = namesFor(await allowedTo(name, false, from), perUsdc);
    if (register.count(owner) <= known) return known;
    return namesFor(await allowedTo(name, true, from), perUsdc);
  }
}
