/** How an owner's deployments do at a provider. */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { DEPLOYMENT_STATES_TIMEOUT_MS } from "../limits_of_content.ts";
import { parseJson, parseShape, timeShape, uintShape } from "../shape.ts";
import { type AskedProvider, ownerQuestion } from "./owner_question.ts";
import { askProvider } from "./provider_http.ts";

const instanceShape = v.object({
  instance: v.number(),
  /** "starting", "awake", "frozen" (between requests) or "draining". */
  state: v.string(),
  /** When it was started, milliseconds since the epoch. */
  since: v.number(),
  /** As last measured. */
  memoryBytes: v.nullable(v.number()),
  /** Answered so far. */
  requests: v.number(),
  inFlight: v.number(),
  tunnels: v.number(),
});

const serverShape = v.object({
  instances: v.array(instanceShape),
  /** Instances that ended by themselves, or never came to listen. */
  restarts: v.number(),
});

/** How a run ended. */
const lastRunShape = v.object({
  /** Milliseconds since the epoch. */
  at: v.number(),
  status: v.number(),
  exit: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  /** The limit that ended it. */
  limit: v.nullable(v.string()),
  /** In words. */
  reason: v.nullable(v.string()),
});

/** What it pays there, which may be less than what everybody is asked. */
const tariffShape = v.object({
  /** Of one credit now, USDC base units. */
  price: uintShape(128),
  /** What it rises to, and when, Unix seconds; null: nothing that is known raises it. */
  next: v.nullable(v.object({ price: uintShape(128), at: timeShape })),
});

const answerShape = v.object({
  deployments: v.array(v.object({
    cid: v.string(),
    /** Older providers do not say. */
    tariff: v.optional(v.nullable(tariffShape), null),
    /** null: there was none, or none is kept; older providers do not say. */
    lastRun: v.optional(v.nullable(lastRunShape)),
    /** Why its callers get no run; older providers do not say. */
    cannotRun: v.optional(v.nullable(v.object({ message: v.string() })), null),
    /** null: none of it runs; older providers do not say. */
    server: v.optional(v.nullable(serverShape), null),
  })),
});

export type ServerState = v.InferOutput<typeof serverShape>;
export type DeploymentTariff = v.InferOutput<typeof tariffShape>;
export type LastRun = v.InferOutput<typeof lastRunShape>;

/** What a provider tells of one deployment. */
export interface DeploymentState {
  /** null: there was none; undefined: the provider does not say. */
  readonly lastRun: LastRun | null | undefined;
  /** In words; null where nothing is known that keeps it from running. */
  readonly cannotRun: string | null;
  /** null: the provider does not say. */
  readonly tariff: DeploymentTariff | null;
  /** null: it is no server, or has no instance. */
  readonly server: ServerState | null;
}

/**
 * The owner's deployments at one provider that somebody has paid for, by their cids.
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal
 */
export async function fetchStates(
  account: LocalAccount,
  provider: AskedProvider,
  options: AskOptions = {},
): Promise<ReadonlyMap<string, DeploymentState>> {
  const { json, what } = await askDeployments(account, provider, options);
  const { deployments } = parseShape(answerShape, json, what, "provider_unavailable");
  return new Map(deployments.map(({ cid, lastRun, cannotRun, tariff, server }) => [
    cid,
    { lastRun, cannotRun: cannotRun?.message ?? null, tariff, server },
  ]));
}

export interface AskOptions {
  /** Unix ms. */
  now?: () => number;
  fetch?: typeof fetch;
}

/**
 * What a provider tells an owner of all that is the owner's there.
 * @returns what it said, and where, for who reads it
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal
 */
export async function askDeployments(
  account: LocalAccount,
  provider: AskedProvider,
  { now = Date.now, ...http }: AskOptions,
): Promise<{ json: unknown; what: string }> {
  const { webDomain } = provider;
  const question = { action: "deployments", subject: "" } as const;
  const answer = await askProvider({
    webDomain,
    path: "/deployments",
    body: await ownerQuestion(account, question, provider, now()),
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    timeoutMs: DEPLOYMENT_STATES_TIMEOUT_MS,
    ...http,
  });
  const what = `${webDomain}/deployments`;
  return { json: parseJson(new TextDecoder().decode(answer), what, "provider_unavailable"), what };
}
