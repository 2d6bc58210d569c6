/** The owner's log of a deployment, as its provider kept it. */
import * as v from "valibot";
import type { Address, LocalAccount } from "viem";
import { PROVIDER_LOGS_BYTES_MAX } from "../limits.ts";
import type { EscrowDomain } from "../permit.ts";
import { parseJson, parseShape } from "../shape.ts";
import { OWNER_REQUEST_SECONDS, signOwnerRequest } from "../spec/owner_request.ts";
import { askProvider } from "./provider_http.ts";

const runShape = v.object({
  /** Milliseconds since the epoch. */
  at: v.number(),
  method: v.string(),
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
  /** Why it ended as it did, in words; older providers and runs have none. */
  reason: v.optional(v.nullable(v.string()), null),
  stderr: v.string(),
});

const answerShape = v.object({
  runs: v.array(runShape),
  /** Why its callers get no run; older providers do not say. */
  cannotRun: v.optional(
    v.nullable(v.object({ message: v.string(), hints: v.optional(v.array(v.string()), []) })),
    null,
  ),
});

export type LoggedRun = v.InferOutput<typeof runShape>;

/** What a provider tells the owner of a deployment. */
export type DeploymentLog = v.InferOutput<typeof answerShape>;

/**
 * The latest runs of a deployment at one provider, oldest first, and why it cannot run. The
 * question is signed for that provider, its chain and its escrow, and short-lived, so that nobody
 * who sees it can ask with it elsewhere or later.
 * @param provider its address, and where it is now
 * @throws KhachapuriError `not_found` where it is not the owner's; `provider_unavailable`; the
 *   provider's own refusal
 */
export async function fetchLogs(
  account: LocalAccount,
  cid: string,
  provider: EscrowDomain & { address: Address; webDomain: string },
  options: { now?: () => number; fetch?: typeof fetch } = {},
): Promise<DeploymentLog> {
  const { now = Date.now, ...http } = options;
  const expires = BigInt(Math.floor(now() / 1000)) + OWNER_REQUEST_SECONDS / 2n;
  const { address, webDomain, chainId, escrow } = provider;
  const body = await signOwnerRequest(account, {
    action: "logs",
    subject: cid,
    provider: address,
    expires,
    chainId,
    escrow,
  });
  const bytesMax = PROVIDER_LOGS_BYTES_MAX;
  const answer = await askProvider({ webDomain, path: "/logs", body, bytesMax, ...http });
  const what = `${webDomain}/logs`;
  const json = parseJson(new TextDecoder().decode(answer), what, "provider_unavailable");
  return parseShape(answerShape, json, what, "provider_unavailable");
}
