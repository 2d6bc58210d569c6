/** The owner's log of a deployment, as its provider kept it. */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { KhachapuriError } from "../errors.ts";
import {
  LOG_FOLLOW_MS_MAX,
  LOG_RETRY_MS,
  LOG_RETRY_MS_MAX,
  PROVIDER_HTTP_TIMEOUT_MS,
  PROVIDER_LOGS_BYTES_MAX,
} from "../limits.ts";
import { pause as pauseFor } from "../pause.ts";
import { parseJson, parseShape } from "../shape.ts";
import { type AskedProvider, ownerQuestion } from "./owner_question.ts";
import { askProvider } from "./provider_http.ts";

const egressShape = v.object({
  connections: v.number(),
  sentBytes: v.number(),
  receivedBytes: v.number(),
  /** What was not reached; the port is null where its name alone was asked for. */
  unreached: v.array(
    v.object({ host: v.string(), port: v.nullable(v.number()), failure: v.string() }),
  ),
});

const runShape = v.object({
  /** Milliseconds since the epoch. */
  at: v.number(),
  method: v.string(),
  /** Below the deployment, without the query; older providers and runs have none. */
  path: v.optional(v.nullable(v.string()), null),
  /** HTTP status of the answer. */
  status: v.number(),
  exit: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  /** The limit that ended it. */
  limit: v.nullable(v.string()),
  wallMs: v.number(),
  cpuMs: v.nullable(v.number()),
  peakMemoryBytes: v.nullable(v.number()),
  stdinBytes: v.number(),
  stdoutBytes: v.number(),
  stderrBytes: v.number(),
  /** That it took. */
  credits: v.optional(v.number(), 1),
  /** What it called, with the runs beside it; null where it may call nobody. */
  egress: v.optional(v.nullable(egressShape), null),
  /** Why it ended as it did, in words; older providers and runs have none. */
  reason: v.optional(v.nullable(v.string()), null),
  stderr: v.string(),
});

/** What an instance of a server wrote, or what became of it; a newer provider may tell more. */
const serverEntryShape = v.object({
  /** Milliseconds since the epoch. */
  at: v.number(),
  instance: v.number(),
  /** Whole lines, with a newline between two. */
  output: v.optional(v.nullable(v.string()), null),
  /** "started", "failed" (it did not come to listen) or "ended". */
  event: v.optional(v.nullable(v.string()), null),
  /** How long it took until it listened. */
  readyMs: v.optional(v.nullable(v.number()), null),
  /** What ended it, in one word. */
  why: v.optional(v.nullable(v.string()), null),
  /** In words. */
  reason: v.optional(v.nullable(v.string()), null),
});

const answerShape = v.object({
  runs: v.array(runShape),
  /** Of a program that is a server; older providers have none. */
  server: v.optional(v.array(serverEntryShape), []),
  /** Where to read on; older providers do not say. */
  cursor: v.optional(v.nullable(v.number()), null),
  /** Why its callers get no run; older providers do not say. */
  cannotRun: v.optional(
    v.nullable(v.object({ message: v.string(), hints: v.optional(v.array(v.string()), []) })),
    null,
  ),
});

export type LoggedRun = v.InferOutput<typeof runShape>;

export type ServerEntry = v.InferOutput<typeof serverEntryShape>;

/** What a provider tells the owner of a deployment. */
export type DeploymentLog = v.InferOutput<typeof answerShape>;

export interface LogOptions {
  /** The cursor of an earlier answer: what came after that one. */
  after?: number;
  /** Waits for the next entry where there is none yet; as long as the provider lets one wait. */
  isWaiting?: boolean;
  now?: () => number;
  fetch?: typeof fetch;
}

/**
 * The latest runs of a deployment at one provider and what its server wrote, oldest first, and why
 * it cannot run.
 * @param provider its address, and where it is now
 * @throws KhachapuriError `not_found` where it is not the owner's; `provider_unavailable`; the
 *   provider's own refusal
 */
export async function fetchLogs(
  account: LocalAccount,
  cid: string,
  provider: AskedProvider,
  options: LogOptions = {},
): Promise<DeploymentLog> {
  const { after = 0, isWaiting = false, now = Date.now, ...http } = options;
  const { webDomain } = provider;
  const question = { action: "logs", subject: cid } as const;
  const body = await ownerQuestion(account, question, provider, now());
  const waitMs = isWaiting ? LOG_FOLLOW_MS_MAX : 0;
  const answer = await askProvider({
    webDomain,
    path: after === 0 && !isWaiting ? "/logs" : `/logs?after=${after}&wait=${waitMs / 1_000}`,
    body,
    bytesMax: PROVIDER_LOGS_BYTES_MAX,
    timeoutMs: PROVIDER_HTTP_TIMEOUT_MS + waitMs,
    ...http,
  });
  const what = `${webDomain}/logs`;
  const json = parseJson(new TextDecoder().decode(answer), what, "provider_unavailable");
  return parseShape(answerShape, json, what, "provider_unavailable");
}

/** Between two questions: a busy deployment's runs come by the dozen then. */
const BUSY_PAUSE_MS = 500;
/** Where the provider let nobody wait. */
const IDLE_PAUSE_MS = 2_000;
/** The exit code of failures after which trying again makes sense (lib/errors.ts). */
const UNREACHABLE = 7;

export interface FollowOptions extends Pick<LogOptions, "now" | "fetch"> {
  /** Told each time the provider cannot be asked: it is asked again. */
  onTrouble(error: KhachapuriError): void;
  pause?: (ms: number) => Promise<void>;
}

/**
 * A deployment's log as it grows: what there is, each run when it has ended, and what its server
 * writes. It goes on for as
 * long as somebody reads, through restarts of the provider and of the network.
 * @throws KhachapuriError as `fetchLogs`, but for what passes; `not_implemented` at a provider that
 *   is too old
 */
export async function* followLogs(
  account: LocalAccount,
  cid: string,
  provider: AskedProvider,
  { onTrouble, pause = pauseFor, now = Date.now, ...http }: FollowOptions,
): AsyncGenerator<DeploymentLog> {
  let after = 0;
  let retryMs = LOG_RETRY_MS;
  for (let isWaiting = false;; isWaiting = true) {
    const askedAt = now();
    const log = await fetchLogs(account, cid, provider, { ...http, now, after, isWaiting })
      .catch((error) => {
        if (!(error instanceof KhachapuriError) || error.exitCode !== UNREACHABLE) throw error;
        onTrouble(error);
        return null;
      });
    if (log === null) {
      await pause(retryMs);
      retryMs = Math.min(2 * retryMs, LOG_RETRY_MS_MAX);
      continue;
    }
    retryMs = LOG_RETRY_MS;
    if (log.cursor === null) throw tooOld(provider);
    after = log.cursor;
    yield log;
    if (log.runs.length + log.server.length > 0) await pause(BUSY_PAUSE_MS);
    else if (isWaiting && now() - askedAt < IDLE_PAUSE_MS) await pause(IDLE_PAUSE_MS);
  }
}

function tooOld({ webDomain }: AskedProvider): KhachapuriError {
  return new KhachapuriError("not_implemented", `${webDomain} does not let its logs be followed`, {
    hints: ["it runs an older khachapuri: ask again without --follow"],
  });
}
