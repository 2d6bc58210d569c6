/** How an owner's programs that are servers do at a provider. */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { parseJson, parseShape } from "../shape.ts";
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

const answerShape = v.object({
  deployments: v.array(v.object({
    cid: v.string(),
    /** null: none of it runs; older providers do not say. */
    server: v.optional(v.nullable(serverShape), null),
  })),
});

export type ServerState = v.InferOutput<typeof serverShape>;

/**
 * The owner's servers at one provider, by their deployments' cids; those that have no instance may
 * be left out.
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal
 */
export async function fetchServers(
  account: LocalAccount,
  provider: AskedProvider,
  options: { now?: () => number; fetch?: typeof fetch } = {},
): Promise<ReadonlyMap<string, ServerState>> {
  const { now = Date.now, ...http } = options;
  const { webDomain } = provider;
  const question = { action: "deployments", subject: "" } as const;
  const answer = await askProvider({
    webDomain,
    path: "/deployments",
    body: await ownerQuestion(account, question, provider, now()),
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    ...http,
  });
  const what = `${webDomain}/deployments`;
  const json = parseJson(new TextDecoder().decode(answer), what, "provider_unavailable");
  const { deployments } = parseShape(answerShape, json, what, "provider_unavailable");
  return new Map(deployments.flatMap(({ cid, server }) => server === null ? [] : [[cid, server]]));
}
