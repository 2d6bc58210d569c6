/** The names that an owner has in a provider's register. */
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { parseShape } from "../shape.ts";
import { askDeployments, type AskOptions } from "./deployment_states.ts";
import type { AskedProvider } from "./owner_question.ts";

const answerShape = v.object({
  /** Absent where deployments have no names. */
  names: v.optional(
    v.array(v.object({
      name: v.string(),
      cid: v.pipe(v.string(), v.transform((text): CidText => formatCid(parseCid(text)))),
      since: v.number(),
      lapsesAt: v.optional(v.nullable(v.number()), null),
    })),
    [],
  ),
});

export interface OwnedName {
  readonly name: string;
  readonly cid: CidText;
  /** Unix ms. */
  readonly since: number;
  /** When it is anybody's unless its owner allows more, Unix ms; null: it stays. */
  readonly lapsesAt: number | null;
}

/**
 * All of them, by name; none where the provider has no register.
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal
 */
export async function fetchOwnedNames(
  account: LocalAccount,
  provider: AskedProvider,
  options: AskOptions = {},
): Promise<readonly OwnedName[]> {
  const { json, what } = await askDeployments(account, provider, options);
  return parseShape(answerShape, json, what, "provider_unavailable").names;
}
