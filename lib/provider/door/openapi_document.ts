/** What can be called here, of what owners let everybody know of, as it is now. */
import { createHash } from "node:crypto";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Accept } from "../../payment_required.ts";
import { acceptsOf } from "../call/accepts.ts";
import type { Welcome } from "../denial/welcome.ts";
import type { Abouts } from "../deployment/abouts.ts";
import type { CurrentOffer } from "../deployment/current_offer.ts";
import type { Records } from "../deployment/records.ts";
import type { Stops } from "../deployment/stops.ts";
import {
  callPrice,
  type ListedDeployment,
  type OpenapiProvider,
  openapiText,
} from "../http/openapi.ts";
import type { Payers } from "../money/payers.ts";
import type { PaymentScheme } from "../money/scheme.ts";

/** What ends with time (terms, allowances, a price) is looked at again after this long, ms. */
const LISTED_MS = 10_000;

export interface OpenapiOptions {
  readonly provider: OpenapiProvider;
  readonly abouts: Pick<Abouts, "listed" | "noted">;
  readonly stops: Pick<Stops, "count">;
  /** Whether this provider stands by the terms that a deployment signed, now. */
  takesTerms(cid: CidText, terms: Hex): boolean;
  /** Whether an owner is known to have nothing here to pay with; nothing is asked for it. */
  isOut(owner: Address): boolean;
  /** Whom the operator serves. */
  readonly welcome: Pick<Welcome, "refusal">;
  /** The entries of x402's `accepts`, now. */
  accepts(): readonly Accept[];
  /** How often what is offered was changed. */
  readonly offer: Pick<CurrentOffer, "changes">;
  /** Unix ms. */
  now(): number;
}

interface Made {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;
  /** How much there was to list, and of whose stops was known. */
  readonly noted: number;
  readonly stopped: number;
  /** And of which offer. */
  readonly offered: number;
  readonly at: number;
}

/** Made when somebody asks and something may have changed; the same bytes for all until then. */
export class OpenapiDocument {
  #made: Made | null = null;

  constructor(private readonly options: OpenapiOptions) {}

  /** The document as it is now. */
  current(): Pick<Made, "body" | "etag"> {
    const { abouts, stops, offer, now } = this.options;
    const made = this.#made;
    const isSame = made?.noted === abouts.noted && made.stopped === stops.count &&
      made.offered === offer.changes;
    const age = now() - (made?.at ?? 0);
    if (made && isSame && age >= 0 && age < LISTED_MS) return made;
    return this.#made = this.#make();
  }

  #make(): Made {
    const { provider, abouts: { noted }, stops, offer, accepts, now } = this.options;
    const { changes: offered } = offer;
    const text = openapiText(provider, callPrice(accepts()), this.#listed());
    const body = new TextEncoder().encode(text);
    const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
    return { body, etag, noted, stopped: stops.count, offered, at: now() };
  }

  /** Those that a call would not be refused for what is known of them. */
  *#listed(): Generator<ListedDeployment> {
    const { abouts, takesTerms, isOut, welcome } = this.options;
    for (const { cid, owner, access, terms, about } of abouts.listed()) {
      if (welcome.refusal("deployment", cid) ?? welcome.refusal("owner", owner)) continue;
      const isPaid = access === "payer";
      if (takesTerms(cid, terms) && (isPaid || !isOut(owner))) yield { cid, about, isPaid };
    }
  }
}

/** Parts of a provider that are open. */
export interface OpenapiParts extends Pick<OpenapiOptions, "provider" | "offer" | "welcome"> {
  readonly records: Records;
  readonly payers: Pick<Payers, "last">;
  readonly schemes: readonly PaymentScheme[];
  readonly now: () => number;
}

/** The document of a provider whose parts are open. */
export function openOpenapi({ records, payers, schemes, ...parts }: OpenapiParts): OpenapiDocument {
  const { registrations: { abouts }, stops, tariffs } = records;
  return new OpenapiDocument({
    ...parts,
    abouts,
    stops,
    takesTerms: (cid, terms) => tariffs.takesTerms(cid, terms),
    isOut(owner) {
      const view = payers.last(owner);
      return view !== undefined && view.credits <= view.thawingCredits;
    },
    accepts: () => acceptsOf(schemes)({}),
  });
}
