/** Whom the operator has denied, as requests ask it; kept in a book, and over by itself. */
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { inTransaction } from "../../transaction.ts";
import { type Denial, type DenialWish, deniedBy, stateOfDenial } from "./denial.ts";
import type { DenialBook } from "./denial_book.ts";
import { NetworkIndex, parseNetwork } from "./network.ts";
import { DENIAL_KINDS, type DenialKind, type Welcome } from "./welcome.ts";

export interface DenialsOptions {
  book: DenialBook;
  /** Unix ms. */
  now: () => number;
  /** Told of each request that is refused. */
  onRefused?(kind: DenialKind): void;
}

/** What an operator's word makes of a denial. */
export interface DenialChange {
  /** Null: there was none. */
  readonly was: Denial | null;
  readonly denial: Denial;
}

/** Who takes an operator's word. */
export interface DenialDesk {
  /**
   * On disk when it resolves, and in force. What is denied already stays so, under the same id and
   * for the new reason and time.
   */
  deny(wish: DenialWish): Denial | Promise<Denial>;
  /** Ends one; one that has ended stays as it is. @throws KhachapuriError `not_found` */
  lift(id: number): Denial | Promise<Denial>;
}

/** Of a kind and what it is about: no kind has a space in it. */
const keyOf = ({ kind, what }: Pick<Denial, "kind" | "what">) => `${kind} ${what}`;

export class Denials implements Welcome {
  readonly #options: DenialsOptions;
  /** Those that were not lifted; what is over among them is passed over. */
  #bySubject = new Map<string, Denial>();
  #byNetwork = new NetworkIndex<Denial>([]);

  constructor(options: DenialsOptions) {
    this.#options = options;
    this.#index();
  }

  /**
   * On disk when it returns, and in force. What is denied already stays so, under the same id and
   * for the new reason and time.
   */
  deny(wish: DenialWish): Denial {
    return this.#write(() => this.toDeny(wish));
  }

  /** What denying changes. */
  toDeny(wish: DenialWish): DenialChange {
    const { book, now } = this.#options;
    const known = this.#denialOf(wish.kind, wish.what);
    if (known === null) {
      return { was: null, denial: { ...wish, id: book.nextId(), at: now(), lifted: null } };
    }
    const { reason, note, until } = wish;
    return { was: known, denial: { ...known, reason, note, until } };
  }

  /**
   * Ends one; one that has ended stays as it is.
   * @throws KhachapuriError `not_found`
   */
  lift(id: number): Denial {
    return this.#write(() => this.toLift(id));
  }

  /** What lifting changes. @throws KhachapuriError `not_found` */
  toLift(id: number): DenialChange {
    const { book, now } = this.#options;
    const known = book.all().find((denial) => denial.id === id);
    if (!known) {
      throw new KhachapuriError("not_found", `there is no denial ${id}`, {
        hints: ["khachapuri deny list names them"],
      });
    }
    return { was: known, denial: this.#isInForce(known) ? { ...known, lifted: now() } : known };
  }

  /** The process before may write, too, for a moment: each number is given once. */
  #write(change: () => DenialChange): Denial {
    const { book } = this.#options;
    const denial = inTransaction(book.database, () => {
      const { denial } = change();
      book.put(denial);
      return denial;
    });
    this.#index();
    return denial;
  }

  /** What another process has written into the book since it was opened is in force here, too. */
  reread(): void {
    this.#index();
  }

  /** Every denial there ever was, oldest first. */
  all(): Denial[] {
    return this.#options.book.all();
  }

  /** How many of each kind are in force. */
  counts(): Readonly<Record<DenialKind, number>> {
    const counts = Object.fromEntries(DENIAL_KINDS.map((kind) => [kind, 0]));
    for (const denial of this.#bySubject.values()) {
      if (this.#isInForce(denial)) counts[denial.kind]! += 1;
    }
    return counts as Record<DenialKind, number>;
  }

  assertNetwork(address: string): void {
    this.#refuse(this.#byNetwork.find(address, (denial) => this.#isInForce(denial)));
  }

  assertDeployment(cid: CidText): void {
    this.#assert("deployment", cid);
  }

  assertOwner(owner: Address): void {
    this.#assert("owner", owner);
  }

  assertPayer(payer: Address): void {
    this.#assert("payer", payer);
  }

  refusal(kind: DenialKind, what: string): KhachapuriError | null {
    const denial = this.#denialOf(kind, what);
    return denial && deniedBy(denial);
  }

  #assert(kind: DenialKind, what: string): void {
    this.#refuse(this.#denialOf(kind, what));
  }

  #denialOf(kind: DenialKind, what: string): Denial | null {
    if (this.#bySubject.size === 0) return null;
    const known = this.#bySubject.get(keyOf({ kind, what }));
    return known && this.#isInForce(known) ? known : null;
  }

  #refuse(denial: Denial | null): void {
    if (denial === null) return;
    this.#options.onRefused?.(denial.kind);
    throw deniedBy(denial);
  }

  #isInForce(denial: Denial): boolean {
    return stateOfDenial(denial, this.#options.now()) === "in force";
  }

  #index(): void {
    const open = this.#options.book.all().filter(({ lifted }) => lifted === null);
    // Of those about the same the latest counts: the earlier ones are over.
    this.#bySubject = new Map(open.map((denial) => [keyOf(denial), denial]));
    const networks = [...this.#bySubject.values()].filter(({ kind }) => kind === "network");
    this.#byNetwork = new NetworkIndex(networks.map((each) => [parseNetwork(each.what), each]));
  }
}
