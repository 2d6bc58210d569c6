/**
 * The disk that pushes may take: an owner's by what it has allowed here, and that of all together.
 * It is reserved before a body is read, so that pushes that come at once cannot share it.
 */
import type { Address } from "viem";
import type { IpfsConfig } from "../../config_ipfs.ts";
import { KhachapuriError } from "../../errors.ts";
import { OWNER_PUSHES_MAX, OWNER_ROOTS_MAX, PUSHES_MAX } from "../../limits_of_content.ts";
import { diskBytesOf } from "./kept_files.ts";
import type { Kept } from "./kept.ts";
import type { Parts } from "./parts.ts";
import type { Retention } from "./retention.ts";

/** What an owner has here and may have, bytes on disk. */
export interface Quota {
  readonly used: number;
  readonly allowed: number;
}

export interface RoomOptions {
  kept: Kept;
  parts: Parts;
  retention: Pick<Retention, "makeRoom">;
  /** Of all owners together. */
  bytesMax: number;
  /** The most that one may have, whatever it has allowed. */
  bytesPerOwnerMax: number;
}

const USDC_UNITS = 1_000_000n;

/** What an owner may have kept for what it has allowed, USDC base units. */
export function bytesFor(
  amount: bigint,
  { bytesPerUsdc, bytesPerOwnerMax }: Pick<IpfsConfig, "bytesPerUsdc" | "bytesPerOwnerMax">,
): number {
  return Math.min(Number(amount * BigInt(bytesPerUsdc) / USDC_UNITS), bytesPerOwnerMax);
}

/** Room that is taken until it is freed. */
export interface Place {
  free(): void;
}

interface Taken {
  readonly owner: Address;
  readonly bytes: number;
}

export class Room {
  readonly #taken = new Set<Taken>();

  constructor(private readonly options: RoomOptions) {}

  /** What an owner has: kept, broken off and coming. */
  used(owner: Address): number {
    const { kept, parts } = this.options;
    return kept.index.ofOwner(owner).bytes + parts.diskBytes(owner) + this.#coming(owner);
  }

  /**
   * Makes room, as far as it may be had: what broke off goes, and what no deployment needs.
   * @param allowed what the owner may have
   */
  async make(owner: Address, bytes: number, allowed: number): Promise<void> {
    const { parts, retention, bytesMax } = this.options;
    if (diskBytesOf(bytes) > Math.min(allowed, bytesMax)) return;
    const ownFits = () => this.#fitsOwner(owner, bytes, allowed);
    await parts.giveUp(ownFits, owner);
    await retention.makeRoom(ownFits, owner);
    const fits = () => this.#fits(bytes);
    await parts.giveUp(fits);
    await retention.makeRoom(fits);
  }

  /**
   * Takes room for a root that is about to come; nothing is awaited.
   * @throws KhachapuriError `payment_required` or `body_too_large` when the owner may have no more,
   * `overloaded` when nobody may now
   */
  take(owner: Address, bytes: number, allowed: number): Place {
    const taken = { owner, bytes: diskBytesOf(bytes) };
    const own = [...this.#taken].filter((other) => other.owner === owner);
    if (own.length >= OWNER_PUSHES_MAX || this.#taken.size >= PUSHES_MAX) throw tooMany();
    this.assertOwner(owner, bytes, allowed);
    if (!this.#fits(bytes)) throw full();
    this.#taken.add(taken);
    return { free: () => void this.#taken.delete(taken) };
  }

  /** @throws KhachapuriError `payment_required`, `body_too_large`: the owner may have no more */
  assertOwner(owner: Address, bytes: number, allowed: number): void {
    if (this.options.kept.index.ofOwner(owner).roots >= OWNER_ROOTS_MAX) throw tooManyRoots();
    if (this.#fitsOwner(owner, bytes, allowed)) return;
    throw overQuota(this.used(owner), allowed, bytes, this.options.bytesPerOwnerMax);
  }

  /**
   * Whether an owner that has allowed less since may keep a root of so many bytes for longer.
   * @throws KhachapuriError `payment_required`, `body_too_large`
   */
  assertCovered(owner: Address, bytes: number, allowed: number): void {
    const used = this.used(owner);
    if (used <= allowed) return;
    throw overQuota(used - diskBytesOf(bytes), allowed, bytes, this.options.bytesPerOwnerMax);
  }

  #fitsOwner(owner: Address, bytes: number, allowed: number): boolean {
    return this.used(owner) + diskBytesOf(bytes) <= allowed;
  }

  #fits(bytes: number): boolean {
    const { kept, parts, bytesMax } = this.options;
    return kept.bytes() + parts.diskBytes() + this.#coming() + diskBytesOf(bytes) <= bytesMax;
  }

  #coming(owner?: Address): number {
    const counted = [...this.#taken].filter((taken) => !owner || taken.owner === owner);
    return counted.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function overQuota(
  used: number,
  allowed: number,
  bytes: number,
  most: number,
): KhachapuriError {
  const message = `of the ${allowed} bytes that may be kept for this owner ${used} are in use, ` +
    `and this takes ${bytes}`;
  const isMost = allowed >= most;
  const stop = "stop deployments that are needed no more: what only they use goes";
  return new KhachapuriError(isMost ? "body_too_large" : "payment_required", message, {
    data: { quota: { used, allowed } },
    hints: isMost
      ? [stop, "or publish it elsewhere: deploy --kubo URL, or --out DIR"]
      : ["allow more: khachapuri allow NAME --credits N", stop],
  });
}

function tooManyRoots(): KhachapuriError {
  const message = `over ${OWNER_ROOTS_MAX} things are kept for this owner`;
  return new KhachapuriError("body_too_large", message, {
    hints: ["stop deployments that are needed no more: what only they use goes"],
  });
}

function full(): KhachapuriError {
  return new KhachapuriError("overloaded", "the disk that this provider keeps content on is full", {
    retryAfterSeconds: 3_600,
    hints: [
      "publish it elsewhere: deploy --kubo URL, or --out DIR",
      "provider: provider.ipfs.bytesMax in config.json is the most that is kept",
    ],
  });
}

function tooMany(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many pushes at a time", { retryAfterSeconds: 5 });
}
