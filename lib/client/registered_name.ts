/** What a provider says of a name, and moving one in its own register (`/names`). */
import * as v from "valibot";
import type { Address, LocalAccount } from "viem";
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { addressShape, parseJson, parseShape } from "../shape.ts";
import { signNameChange } from "../spec/name_change.ts";
import { OWNER_REQUEST_SECONDS } from "../spec/owner_request.ts";
import type { AskedProvider } from "./owner_question.ts";
import { askProvider } from "./provider_http.ts";

const cidShape = v.pipe(v.string(), v.transform((text) => formatCid(parseCid(text))));

const viewShape = v.object({
  kind: v.picklist(["register", "ens", "dnslink"]),
  cid: v.nullable(cidShape),
  owner: v.exactOptional(addressShape),
  sequence: v.exactOptional(v.pipe(v.number(), v.safeInteger())),
  history: v.exactOptional(v.array(v.object({ cid: cidShape, at: v.number() }))),
  lapsesAt: v.exactOptional(v.nullable(v.number())),
  checkedAt: v.exactOptional(v.number()),
  isStale: v.exactOptional(v.boolean()),
});

/** A name as a provider knows it. */
export interface NameAtProvider {
  /** Where the provider looks it up. */
  kind: "register" | "ens" | "dnslink";
  /** null when it points to nothing, or nobody has it. */
  cid: CidText | null;
  owner: Address | null;
  /** How many changes it has had in the register; the next is one more. */
  sequence: number;
  /** What it pointed to, oldest first, at Unix ms; of the register alone. */
  history: readonly { cid: CidText; at: number }[];
  /** When it is anybody's unless its owner allows more, Unix ms; of the register alone. */
  lapsesAt: number | null;
  /** When it was looked up, Unix ms; null when the provider does not say. */
  checkedAt: number | null;
  /** What it says is older than may be believed, as who knows better is out of reach. */
  isStale: boolean;
}

export interface AskOptions {
  fetch?: typeof fetch;
  signal?: AbortSignal;
}

/**
 * Asks a provider what a name points to.
 * @throws KhachapuriError `provider_unavailable`; the provider's own refusal, also where it has no
 *   names, but for a name that points to nothing
 */
export async function askName(
  webDomain: string,
  name: string,
  options: AskOptions = {},
): Promise<NameAtProvider> {
  const path = `/names/${encodeURIComponent(name)}`;
  const headers = { accept: "application/json" };
  try {
    const bytes = await askProvider({
      webDomain,
      path,
      headers,
      bytesMax: PROVIDER_JSON_BYTES_MAX,
      ...options,
    });
    return readView(bytes, `${webDomain}${path}`);
  } catch (error) {
    const sequence = error instanceof KhachapuriError && error.code === "not_found"
      ? error.data.sequence
      : undefined;
    // A label that nobody has is said with how many changes it has had.
    if (typeof sequence !== "number" || name.includes(".")) throw error;
    return { ...NOTHING, kind: "register", sequence };
  }
}

const NOTHING = {
  cid: null,
  owner: null,
  history: [],
  lapsesAt: null,
  checkedAt: null,
  isStale: false,
} as const;

function readView(bytes: Uint8Array, what: string): NameAtProvider {
  const json = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  const view = parseShape(viewShape, json, what, "provider_unavailable");
  const history = (view.history ?? []).toReversed().map(({ cid, at }) => ({ cid, at }));
  return { ...NOTHING, sequence: 0, ...view, history };
}

/**
 * Points a label in a provider's register at a deployment of the account's, or gives it up.
 * @param sequence how many changes the name has had, as `askName` tells it
 * @param now Unix ms
 * @throws KhachapuriError `name_conflict` when it was changed since; `provider_unavailable`; the
 *   provider's own refusal
 */
export async function moveName(
  account: LocalAccount,
  { address, chainId, escrow, webDomain }: AskedProvider,
  { label, cid, sequence }: { label: string; cid: CidText | null; sequence: number },
  now: number,
  options: AskOptions = {},
): Promise<NameAtProvider> {
  const expires = BigInt(Math.floor(now / 1000)) + OWNER_REQUEST_SECONDS / 2n;
  const change = { label, cid: cid ?? "" as const, sequence: BigInt(sequence) + 1n, expires };
  const place = { provider: address, chainId, escrow };
  const bytes = await askProvider({
    webDomain,
    path: "/names",
    body: await signNameChange(account, change, place),
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    ...options,
  });
  return readView(bytes, `${webDomain}/names`);
}
