/**
 * Takes owners' changes of names in the register: who signed is the owner of both the name and the
 * deployment, and has no more names than what it has allowed here is good for.
 */
import type { Address } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NAME_CHANGES_COUNTED_MAX,
  NETWORK_NAME_CHANGES_BURST_MAX,
  NETWORK_NAME_CHANGES_PER_SECOND_MAX,
  OWNER_NAME_CHANGES_BURST_MAX,
  OWNER_NAME_CHANGES_PER_SECOND_MAX,
} from "../../limits_of_names.ts";
import { Lru } from "../../lru.ts";
import {
  isNameChangeValid,
  type NamePlace,
  type SignedNameChange,
} from "../../spec/name_change.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { type Allowed, type Coverage, namesFor } from "./coverage.ts";
import type { NameChanged, NameRegister, NameWriter } from "./register.ts";

export interface RegistrarOptions {
  register: NameRegister;
  /** Where changes are made; the register itself unless it is given. */
  writer?: NameWriter;
  coverage: Pick<Coverage, "makeWay">;
  place: NamePlace;
  /** Names for each USDC that is allowed. */
  perUsdc: number;
  /** The name that owners allow credits to. */
  provider: string;
  /**
   * Who owns the deployment behind `cid`, which is one that can be called here.
   * @throws KhachapuriError why it is not
   */
  ownerOf(cid: CidText, from: string): Promise<Address>;
  /**
   * What the owner of the deployment behind `cid` has allowed.
   * @param isSure whether the chain is to be asked, before a no is said
   * @throws KhachapuriError when it can't be found out now
   */
  allowed(cid: CidText, from: string, isSure: boolean): Promise<Allowed>;
  now: () => number;
}

export class Registrar {
  readonly #networks = new Lru<string, TokenBucket>(NAME_CHANGES_COUNTED_MAX);
  readonly #owners = new Lru<Address, TokenBucket>(NAME_CHANGES_COUNTED_MAX);

  constructor(private readonly options: RegistrarOptions) {}

  /**
   * Makes a change that the owner signed; it is on disk when this resolves.
   * @param from the caller's address
   * @throws KhachapuriError `invalid_signature`, `access_denied` for another's name or deployment,
   * `name_conflict`, `payment_required` when no more names are allowed, `rate_limited`, and what
   * finding the deployment or the allowance fails with
   */
  async change(change: SignedNameChange, from: string): Promise<NameChanged> {
    const { register, coverage, place, now } = this.options;
    this.#admitNetwork(from);
    const seconds = BigInt(Math.floor(now() / 1_000));
    if (!await isNameChangeValid(change, place, seconds)) throw notOwner();
    await coverage.makeWay(change.label, change.owner, from);
    register.assertNext(change);
    if (change.cid !== "") await this.#assertOwnDeployment(change.cid, change.owner, from);
    const allowed = register.has(change.label) ? null : await this.#allowed(change, from);
    // From here on nothing is awaited: of two changes at once the later one sees the other's name.
    this.#assertMay(change, allowed);
    this.#admitOwner(change.owner);
    return await this.#make(change, allowed);
  }

  /** Of two that are made at other nodes at once one is looked at again. */
  async #make(change: SignedNameChange, allowed: Allowed | null): Promise<NameChanged> {
    const { register, writer = register } = this.options;
    const made = await writer.change(change);
    if (made) return made;
    this.#assertMay(change, allowed);
    return await this.#make(change, allowed);
  }

  #assertMay(change: SignedNameChange, allowed: Allowed | null): void {
    if (allowed) this.#assertRoom(change.owner, allowed);
    this.options.register.assertNext(change);
  }

  async #assertOwnDeployment(cid: CidText, owner: Address, from: string): Promise<void> {
    if (await this.options.ownerOf(cid, from) === owner) return;
    throw new KhachapuriError("access_denied", "this deployment is another owner's", {
      hints: ["a name points to deployments of its own owner; deploy it with this key"],
    });
  }

  /** The owner may have allowed more just now: a no is not said on what was known before. */
  async #allowed({ owner, cid }: SignedNameChange, from: string): Promise<Allowed> {
    const { register, perUsdc, allowed } = this.options;
    // Nobody gives up a name that it has not: `assertNext` has said so.
    const known = await allowed(cid as CidText, from, false);
    if (register.count(owner) < namesFor(known, perUsdc)) return known;
    return await allowed(cid as CidText, from, true);
  }

  #assertRoom(owner: Address, allowed: Allowed): void {
    const { register, perUsdc, provider } = this.options;
    const most = namesFor(allowed, perUsdc);
    const count = register.count(owner);
    if (count < most) return;
    const credits = `khachapuri allow ${provider} --credits N`;
    if (most === 0) {
      throw new KhachapuriError("payment_required", "this owner has allowed nothing here", {
        hints: [`names are for owners whose calls can be paid: ${credits}`],
      });
    }
    const good = `${formatUsdc(allowed.amount)} USDC allowed here are good for ${most}`;
    throw new KhachapuriError("payment_required", `this owner has ${count} names: ${good}`, {
      hints: [
        perUsdc > 0 ? `allow more, ${perUsdc} names a USDC: ${credits}` : "one each",
        "or give one up: khachapuri name remove",
      ],
      data: { names: count, allowed: most },
    });
  }

  #admitNetwork(from: string): void {
    const [burst, perSecond] = [
      NETWORK_NAME_CHANGES_BURST_MAX,
      NETWORK_NAME_CHANGES_PER_SECOND_MAX,
    ];
    this.#take(this.#networks, addressPrefix(from) ?? from, burst, perSecond);
  }

  #admitOwner(owner: Address): void {
    const [burst, perSecond] = [OWNER_NAME_CHANGES_BURST_MAX, OWNER_NAME_CHANGES_PER_SECOND_MAX];
    this.#take(this.#owners, owner, burst, perSecond);
  }

  #take<Key>(buckets: Lru<Key, TokenBucket>, key: Key, burst: number, perSecond: number): void {
    const bucket = buckets.get(key) ?? new TokenBucket(burst, perSecond, this.options.now);
    buckets.set(key, bucket);
    if (bucket.take()) return;
    throw new KhachapuriError("rate_limited", "names are changed too often from here", {
      retryAfterSeconds: Math.max(1, Math.ceil(bucket.waitSeconds())),
    });
  }
}

function notOwner(): KhachapuriError {
  return new KhachapuriError("invalid_signature", "this is not the owner's signature", {
    hints: ["sign with the key that deployed it; check that the clocks agree"],
  });
}
