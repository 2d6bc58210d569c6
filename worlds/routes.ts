/**
 * A provider's routes on the world of calls: what lies behind them (credits, receipts, settlement)
 * answers what a test wants and remembers what it was asked.
 */
import { SPEC_CREDITS_MAX } from "../lib/limits.ts";
import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type { Relayed, RelayOffer } from "../lib/chain/relay_offer.ts";
import type { ProviderConfig } from "../lib/config.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { KEEP_NOTHING } from "../lib/keep.ts";
import type { CreditsOffer } from "../lib/payment_header.ts";
import type { Permit } from "../lib/permit.ts";
import type { Deployment } from "../lib/provider/deployment/deployment.ts";
import type { RouteParts } from "../lib/provider/door/parts.ts";
import { DenialBook } from "../lib/provider/denial/denial_book.ts";
import { Denials } from "../lib/provider/denial/denials.ts";
import { Readiness } from "../lib/provider/door/readiness.ts";
import { createRoutes } from "../lib/provider/door/routes.ts";
import type { DueLane } from "../lib/provider/ledger/ledger.ts";
import type { Seller } from "../lib/provider/money/seller.ts";
import type { Receipt } from "../lib/receipt.ts";
import type { Runtimes } from "../lib/runtime.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { type AskedRequest, requestOf, responseOf } from "./answers.ts";
import { type CallWorld, type CallWorldOptions, openCallWorld } from "./calls.ts";

export const OWNER = privateKeyToAccount(`0x${"01".repeat(32)}`);
export const OPERATOR = privateKeyToAccount(`0x${"02".repeat(32)}`);
export const PROVIDER = privateKeyToAccount(`0x${"03".repeat(32)}`);
export const STRANGER = privateKeyToAccount(`0x${"04".repeat(32)}`);
export type Person = PrivateKeyAccount;

export const SELLER: Seller = {
  chainId: 31_337,
  escrow: getAddress(`0x${"ee".repeat(20)}`),
  provider: PROVIDER.address,
  price: 1_000n,
};

export const RUNTIMES: Runtimes = {
  found: [
    { name: "sh", kind: "interpreter", version: null, path: "/usr/bin/sh" },
    { name: "python3", kind: "interpreter", version: "3.11.2", path: "/usr/bin/python3" },
    { name: "python3.11", kind: "interpreter", version: "3.11.2", path: "/usr/bin/python3.11" },
    { name: "curl", kind: "tool", version: "7.88.1", path: "/usr/bin/curl" },
  ],
  lacking: ["ruby", "deno"],
};

/** As a configuration that says nothing of it has it, but for the bytes. */
export const EGRESS: ProviderConfig["egress"] = {
  hosts: ["*:443"],
  connections: 64,
  connectionsPerSecond: 32,
  bytesPerSecond: 1_000_000,
  idleSeconds: 900,
  log: false,
  connectTo: {},
};

export const IPFS: ProviderConfig["ipfs"] = {
  push: true,
  public: true,
  bytesPerUsdc: 2 ** 20,
  bytesPerOwnerMax: 2 ** 23,
  bytesMax: 2 ** 25,
  keepSeconds: 86_400,
};

export const OFFER: CreditsOffer = {
  chainId: SELLER.chainId,
  escrow: SELLER.escrow,
  asset: getAddress(`0x${"dc".repeat(20)}`),
  payTo: SELLER.provider,
  pricePerCredit: SELLER.price,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 3_600,
};

export const RELAY_OFFER: RelayOffer = {
  chainId: SELLER.chainId,
  escrow: SELLER.escrow,
  relayer: SELLER.provider,
  fee: 10_000n,
  relays: ["Revoke", "BumpEpoch", "Reclaim", "Withdraw"],
};

/** Of a deposit or message that was relayed. */
export const TRANSACTION: Hex = `0x${"7a".repeat(32)}`;

/** What of every payer is due. */
export const DUE_LANE: DueLane = {
  payer: getAddress(`0x${"a1".repeat(20)}`),
  lane: `0x${"1a".repeat(32)}`,
  since: 0,
  deadline: 0n,
  epoch: 0,
  settled: 2n,
  amount: 3_000n,
};

const textOf = (text: string) => new TextEncoder().encode(text);
/** Newest first. */
export const TERMS: readonly Uint8Array<ArrayBuffer>[] = ["new terms\n", "old terms\n"].map(textOf);

/** Of any deployment. */
const NOTHING_KNOWN = { known: () => null, refusal: () => null };

export interface RouteWorld extends Omit<CallWorld, "parts"> {
  readonly parts: RouteParts;
  /** What was asked of the parts behind the routes, in order, e.g. "settle". */
  readonly asked: string[];
  /** The receipts that there are, by path. */
  readonly receipts: Map<string, Receipt>;
  /** Answers a request; `path` may be a whole URL. */
  ask(path: string, init?: AskedRequest): Promise<Response>;
  /** Posts a JSON body. */
  post(path: string, body: unknown): Promise<Response>;
}

/** Opens a world in which every route succeeds until a test says otherwise. */
export async function openRouteWorld(options: CallWorldOptions = {}): Promise<RouteWorld> {
  const calls = await openCallWorld({ owner: OWNER, seller: SELLER, ...options });
  const asked: string[] = [];
  const receipts = new Map<string, Receipt>();
  const terms = new Map<Hex, Uint8Array<ArrayBuffer>>(TERMS.map((text) => [termsHash(text), text]));
  const parts: RouteParts = {
    ...calls.parts,
    seller: SELLER,
    operator: OPERATOR.address,
    offering: {
      name: "provider.test",
      address: PROVIDER.address,
      webDomain: "https://provider.test",
      recipients: ["age1first", "age1second"],
      termsHashes: [...terms.keys()],
      keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING },
      timeoutMs: 15_000,
      memoryMb: 256,
      credits: SPEC_CREDITS_MAX,
      requestBytes: 100 * 1024 ** 2,
      responseBytes: 200 * 1024 ** 2,
      egress: EGRESS,
      instances: 64,
      instanceIdleSeconds: 60,
      names: { perUsdc: 10 },
      ipfs: IPFS,
      offer: OFFER,
    },
    terms,
    openapi: { current: () => ({ body: textOf("{}"), etag: '"etag"' }) },
    health: () => Promise.resolve(null),
    requests: calls.counters.requests,
    metrics: calls.counters.requests.metrics,
    metricsFor: { assertReader() {} },
    readiness: new Readiness(),
    alarms: () => [],
    wire: calls.counters.wire,
    denials: new Denials({ book: DenialBook.open(":memory:"), now: Date.now }),
    money: { ...calls.parts.money, ...answeringMoney(asked, receipts) },
    programs: quietPrograms(calls, asked),
    names: null,
    content: {
      gateway: null,
      ingest: null,
      ofOwner: () => null,
      dryRuns: { admitNetwork() {}, admitOwner() {} },
      pushes: { admitNetwork() {}, admitOwner() {} },
      allowed: () => Promise.resolve(1_000n),
      noteUse: ({ cid }) => void asked.push(`use ${cid}`),
    },
    records: { ...calls.parts.records, ...calls.records },
  };
  const routes = createRoutes(parts);
  const ask = async (path: string, init: AskedRequest = {}) =>
    responseOf(await routes(requestOf(new URL(path, "https://provider.test"), init)));
  const post = (path: string, body: unknown) =>
    ask(path, { method: "POST", body: JSON.stringify(body) });
  // The same object, so that what a test changes of the world of calls is changed.
  return Object.assign(calls, { parts, asked, receipts, ask, post });
}

/** Programs of which nothing is known, and that remember what is asked of them. */
function quietPrograms(
  { parts, records, deployment }: CallWorld,
  asked: string[],
): RouteParts["programs"] {
  const { get } = parts.programs.deployments;
  return {
    ...parts.programs,
    deployments: {
      ...parts.programs.deployments,
      look: get,
      find: async (cid, from) =>
        cid === deployment.cid && records.stops.has(deployment.spec)
          ? deployment
          : await get(cid, from),
      ...NOTHING_KNOWN,
    },
    sandboxes: {
      ...parts.programs.sandboxes,
      open: () => 3,
      refusal: () => null,
      servers: () => [],
      stop: ({ id }) => void asked.push(`stop ${id}`),
      drain() {},
      retireAll() {},
      expel: () => Promise.resolve(),
    },
    runtimes: () => Promise.resolve(RUNTIMES),
  };
}

/** The answer must be a refusal with this status and code. */
export async function assertRefused(
  answer: Promise<Response>,
  status: number,
  code: string,
): Promise<void> {
  const response = await answer;
  const { error, message } = await response.json();
  assert.deepEqual([response.status, error], [status, code], message);
}

/** Money that remembers what it is asked for. */
function answeringMoney(asked: string[], receipts: ReadonlyMap<string, Receipt>) {
  const totals = { unsettled: 5_000n, held: 0n, preheld: 0n, dueLanes: 1 };
  return {
    ownerPayment: { judge: () => Promise.resolve({ price: 1_000n, creditsLeft: 50n }) },
    credits: { count: ({ lane }: Permit) => Promise.resolve({ id: lane, cumulative: 7n }) },
    renewals: {
      take({ cid }: Deployment, { credits }: Permit): Promise<boolean> {
        asked.push(`renew ${cid}`);
        return Promise.resolve(credits > 0n);
      },
    },
    receipts: {
      read(path: string): Promise<Receipt> {
        const receipt = receipts.get(path);
        if (receipt) return Promise.resolve(receipt);
        return Promise.reject(new KhachapuriError("not_found", "there is no such receipt"));
      },
    },
    onboarding: {
      relay(payer: Hex): Promise<Hex> {
        asked.push(`relay ${payer}`);
        return Promise.resolve(TRANSACTION);
      },
    },
    messages: {
      offer: () => Promise.resolve(RELAY_OFFER),
      relay({ payer }: { payer: Hex }): Promise<Relayed> {
        asked.push(`relay ${payer}`);
        return Promise.resolve({ transaction: TRANSACTION, fee: RELAY_OFFER.fee });
      },
    },
    settlement: {
      async settleNow(): Promise<void> {
        asked.push("settle");
        await Promise.resolve();
        totals.unsettled = 0n;
      },
    },
    ledger: { totals: () => totals, dueOf: () => Promise.resolve([DUE_LANE]) },
  };
}
