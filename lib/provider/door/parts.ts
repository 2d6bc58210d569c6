/** What the provider's own paths are served with, beside what calls need. */
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import type { BlockReader } from "../../ipfs/block_reader.ts";
import type { CallMoney, CallParts, CallPrograms, CallRecords } from "../call/parts.ts";
import type { Slots } from "../call/slots.ts";
import type { ContentGateway } from "../content/gateway.ts";
import type { Ingest } from "../content/ingest.ts";
import type { Denials } from "../denial/denials.ts";
import type { TermsTexts } from "../deployment/current_offer.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Deployments } from "../deployment/deployments.ts";
import type { Records } from "../deployment/records.ts";
import type { RunReader } from "../deployment/run_log.ts";
import type { Stoppable } from "../deployment/stops.ts";
import type { Offering } from "../http/page.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { Metric } from "../metrics/metrics.ts";
import type { RequestUsage } from "../metrics/request_usage.ts";
import type { WireUsage } from "../metrics/wire_usage.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Credits } from "../money/credits.ts";
import type { Names } from "../naming/names.ts";
import type { OwnerPayment } from "../money/owner_payment.ts";
import type { Receipts } from "../money/receipts.ts";
import type { Renewals } from "../money/renewals.ts";
import type { Seller } from "../money/seller.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Runtimes } from "../../runtime.ts";
import type { MessageRelay } from "../settlement/message_relay.ts";
import type { Onboarding } from "../settlement/onboarding.ts";
import type { Settlement } from "../settlement/settlement.ts";
import type { AskLimits } from "./ask_limits.ts";
import type { MetricsReaders } from "./metrics_readers.ts";
import type { OpenapiDocument } from "./openapi_document.ts";
import type { Readiness } from "./readiness.ts";

export interface RouteParts extends CallParts {
  denials: Denials;
  wire: WireUsage;
  seller: Seller;
  /** Whose signature may ask for a settlement now. */
  operator: Address;
  /** As it is now. */
  offering: Offering;
  /** The texts that are listed now, by their hash. */
  terms: Pick<TermsTexts, "get">;
  openapi: Pick<OpenapiDocument, "current">;
  /** Whether new calls could be served now; the reason when not. */
  health(): Promise<string | null>;
  /** Requests as they were answered. */
  requests: Pick<RequestUsage, "answered" | "own">;
  metrics: readonly Metric[];
  /** Who may read them, beside this machine and its networks. */
  metricsFor: Pick<MetricsReaders, "assertReader">;
  readiness: Readiness;
  /** What a person must look at, in plain words; nothing is asked for it. */
  alarms(): readonly string[];
  content: ContentParts;
  money: CallMoney & {
    credits: Pick<Credits, "count">;
    ownerPayment: Pick<OwnerPayment, "judge">;
    renewals: Pick<Renewals, "take">;
    receipts: Pick<Receipts, "read">;
    onboarding: Pick<Onboarding, "relay">;
    messages: Pick<MessageRelay, "offer" | "relay">;
    settlement: Pick<Settlement, "settleNow">;
    ledger: Pick<Ledger, "totals" | "dueOf">;
  };
  programs: CallPrograms & {
    deployments: Pick<Deployments, "get" | "look" | "find" | "known" | "refusal">;
    sandboxes: Pick<
      Sandboxes,
      "open" | "refusal" | "servers" | "stop" | "drain" | "retireAll" | "expel"
    >;
    /** What programs find on this machine; null as long as that is not known. */
    runtimes(): Promise<Runtimes | null>;
  };
  /** By which deployments are called; null: by their cids only. */
  names: Names | null;
  gate: CallParts["gate"] & { slots: Pick<Slots, "busy" | "calls"> };
  records: CallRecords & {
    registrations: Pick<Records["registrations"], "ofOwner" | "isDeploymentLane">;
    agreements: Pick<Records["agreements"], "termsOf">;
    tariffs: Pick<Records["tariffs"], "tariffOf">;
    runLog: RunReader;
    stops: {
      has(spec: Stoppable): boolean;
      add(spec: Stoppable): void | Promise<void>;
      heard(): void | Promise<void>;
    };
  };
}

/** What owners have kept here, and what is done for them that no call pays for. */
export interface ContentParts {
  /** null: none is taken. */
  ingest: Pick<Ingest, "take" | "offset"> | null;
  /** Gives out what is kept; null: nothing is given out. */
  gateway: Pick<ContentGateway, "answer"> | null;
  /** What an owner has kept of a root; null: it has not. */
  ofOwner(owner: Address, root: CidText): BlockReader | null;
  dryRuns: Pick<AskLimits, "admitNetwork" | "admitOwner">;
  pushes: Pick<AskLimits, "admitNetwork" | "admitOwner">;
  /**
   * What an owner has allowed here, USDC base units.
   * @throws KhachapuriError `chain_unavailable`, `rate_limited`, `overloaded`
   */
  allowed(owner: Address, from: string): Promise<bigint>;
  /** The deployment was opened: what it uses stays. */
  noteUse(deployment: Deployment): void;
}

/** Answers a request to one of the provider's own paths. */
export type RouteHandler = (parts: RouteParts, request: HttpRequest) => Promise<Answer>;
