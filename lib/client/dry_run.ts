/**
 * A rehearsal at the provider (`POST /dry-run`): all that a call does up to its run, free, so what
 * would fail later fails now, in the same words.
 */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { DRY_RUN_TIMEOUT_MS } from "../limits_of_content.ts";
import { parseJson, parseShape, uintShape } from "../shape.ts";
import { type AskedProvider, ownerQuestion } from "./owner_question.ts";
import { askProvider, printable } from "./provider_http.ts";

const text = v.pipe(v.string(), v.transform(printable));

const dryRunShape = v.object({
  /** Of a credit, USDC base units; null where only callers pay. */
  price: v.nullable(uintShape(128)),
  /** The owner's with this provider; null where only callers pay. */
  creditsLeft: v.nullable(uintShape(128)),
  /** Why a call at the owner's expense would be refused now; null: it would not. */
  payable: v.nullable(v.object({ message: text, hints: v.optional(v.array(text), []) })),
  warnings: v.optional(v.array(text), []),
  /** That it took. */
  ms: v.number(),
});

export type DryRun = v.InferOutput<typeof dryRunShape>;

/**
 * Has the provider make a deployment ready; its first call finds it warm.
 * @param now Unix ms
 * @throws KhachapuriError what a caller would be refused with; `payment_required` when all is ready
 *   and nobody pays; `provider_unavailable`
 */
export async function dryRunAt(
  account: LocalAccount,
  provider: AskedProvider,
  cid: string,
  now: number,
): Promise<DryRun> {
  const { webDomain } = provider;
  const body = await ownerQuestion(account, { action: "dry-run", subject: cid }, provider, now);
  const bytes = await askProvider({
    webDomain,
    path: "/dry-run",
    body,
    timeoutMs: DRY_RUN_TIMEOUT_MS,
    bytesMax: PROVIDER_JSON_BYTES_MAX,
  });
  const what = `${webDomain}/dry-run`;
  const json = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  const rehearsed = parseShape(dryRunShape, json, what, "provider_unavailable");
  const { payable } = rehearsed;
  if (payable === null) return rehearsed;
  throw new KhachapuriError("payment_required", `${webDomain}: ${payable.message}`, {
    hints: payable.hints,
  });
}
