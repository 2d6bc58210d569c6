/**
 * A way to be paid. A call asks each scheme in turn whether the request pays its way (`read`), has
 * the payer checked before anything is fetched (`admit`), and takes the credit just before the
 * program starts (`hold`). What a scheme knows of chains and ledgers stays behind these.
 */
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import type { LaneCount } from "../../lane_count.ts";
import type { Accept } from "../../payment_header.ts";
import type { Outcome } from "../../receipt.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Until } from "../ledger/group_commit.ts";
import type { RunFacts } from "../ledger/ledger.ts";

/** Who is to pay for one run of a deployment. */
export interface Bill {
  /** An owner's balance is nobody else's business; a caller is told about its own. */
  readonly source: "owner" | "caller";
  readonly payer: Address;
  /** The deployment. */
  readonly cid: CidText;
  /** What an Idempotency-Key is unique within, besides payer and deployment: the lane. */
  readonly scope: string;
  /** What stands in for the key of a request that has none: its payment; absent: nothing does. */
  readonly key?: string;
  /** The most credits that can be paid for so; absent: any number. */
  readonly creditsMax?: number;
  /** Its money has come already, and was not answered: that is owed, whoever is served else. */
  readonly isOwed?: boolean;
}

/**
 * The credits of one run: the first is taken before the program starts and held to its end, each
 * further one is taken ahead and charged when its time begins. So whatever ends this process, what
 * a run had used up is charged, and what it was in the midst of is free. Ending it twice is an
 * error.
 */
export interface Hold {
  /** The number that the ledger knows the first one by. */
  readonly reservation: number;
  /** What its payer is told where the run is free, and its money is here; absent: it is not. */
  readonly owed?: string;
  /** Whether its money is here for sure; where it is not, it is once `notice` has resolved. */
  readonly isPaid: boolean;
  /** Credits whose time has begun. */
  readonly credits: number;
  /** The program has started: what is paid at once is paid from now on. */
  started(): void;
  /**
   * Takes one credit more, by the same permit, for when the last one's time is over; durable when
   * it resolves. To be called again once that credit's time has begun.
   * @throws KhachapuriError as the scheme's `hold`; nothing more is then held
   */
  extend(): Promise<void>;
  /** The time of the credit that was taken ahead begins: it is charged. */
  begin(): Promise<void>;
  /** What was taken ahead will not be used. */
  giveBack(): void;
  /**
   * The run has ended and costs its credits. When it resolves no end of this process can undo it.
   * @param run for the receipt; null where there is none, as nobody but the owner pays
   * @param until as the ledger's `charge`
   */
  charge(outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void>;
  /** The run costs nothing, but for the credits that it had used up. */
  release(reason: string): void;
  /**
   * What the answer's head tells the payer about its money; nothing where the owner pays. The head
   * waits for it, as a scheme may have to see the money first.
   * @throws KhachapuriError when there is no money after all: the run is ended and released
   */
  notice(): Promise<HeaderField[]>;
}

/** What a request is known by. */
export interface Asked {
  /** Digest of what makes two requests the same. */
  readonly digest: Uint8Array;
  /** Of the key that its caller gave it, unique to its payer; null: it has none. */
  readonly key: Uint8Array | null;
}

/** What an offer says of one call. */
export interface OfferAbout {
  /** Where the next permit of who proved to be the payer goes on. */
  readonly lane?: LaneCount | undefined;
  /** How many credits the run may take. */
  readonly creditsMax?: number | undefined;
}

/**
 * @template B what the scheme reads of a request
 * @template A what it hands from `admit` to `hold`
 */
export interface PaymentScheme<B extends Bill = Bill, A = unknown> {
  /**
   * One entry of x402's `accepts`; null while nobody can pay this way.
   * @param about what was called, if anything was
   */
  offer(about?: OfferAbout): Accept | null;
  /**
   * Who pays, as the request says it; null when it does not pay this way.
   * @param from the caller's address: what strangers make us ask of a chain is limited by it
   * @throws KhachapuriError `payment_required` for what proves nothing here, `invalid_input`
   */
  read(deployment: Deployment, fields: FieldReader, from?: string): B | null | Promise<B | null>;
  /** For a credit that no request asked for: what is the owner's to pay, whoever pays for calls. */
  ownersBill(deployment: Deployment): B;
  /**
   * The payer that a request's headers prove, as far as that needs no look at a chain, when it had
   * calls here; null for any other.
   * @param mayRecover asked before a signature is looked at that was not seen before
   */
  provenPayer(fields: FieldReader, mayRecover: () => boolean): Promise<Address | null>;
  /**
   * That the bearer is the payer, whatever is left to pay with: for answers that were paid before.
   * @throws KhachapuriError `payment_required`, `chain_unavailable`
   */
  prove(bill: B): Promise<void>;
  /**
   * That the bill can be paid; nothing is taken yet.
   * @throws KhachapuriError `payment_required` with the reason, `chain_unavailable`
   */
  admit(bill: B): Promise<A>;
  /**
   * Takes the credit; durable when it resolves.
   * @param asked tells the request that it is for; absent: no request asked for it
   * @throws KhachapuriError as `admit`; nothing is then held or charged
   */
  hold(admission: A, asked?: () => Asked): Promise<Hold>;
}
