/** What an owner's deployments pay at a provider, where that is not what it asks of everybody. */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { parseJson, parseShape, timeShape, uintShape } from "../shape.ts";
import { type AskedProvider, ownerQuestion } from "./owner_question.ts";
import { askProvider } from "./provider_http.ts";

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
  })),
});

export type DeploymentTariff = v.InferOutput<typeof tariffShape>;

/**
 * By the deployments' cids; those that were never paid for there are left out.
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal
 */
export async function fetchTariffs(
  account: LocalAccount,
  provider: AskedProvider,
  options: { now?: () => number; fetch?: typeof fetch } = {},
): Promise<ReadonlyMap<string, DeploymentTariff>> {
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
  const told = deployments.flatMap(({ cid, tariff }) => tariff ? [[cid, tariff] as const] : []);
  return new Map(told);
}
