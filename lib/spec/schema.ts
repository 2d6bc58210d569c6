/**
 * The deployment spec: what an owner signs, encrypts to a provider and publishes. Its JSON form is
 * the protocol (docs/protocol.md); unknown fields are refused, so that a spec never says more than
 * the provider that runs it understands.
 */
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual } from "viem";
import { formatCid, parseCid } from "../cid.ts";
import { egressFault } from "../egress.ts";
import { KhachapuriError } from "../errors.ts";
import {
  DEPLOYMENT_CONCURRENCY_MAX,
  PROGRAM_PATH_BYTES_MAX,
  SPEC_ARGS_MAX,
  SPEC_CREDITS_MAX,
  SPEC_EGRESS_MAX,
  SPEC_MEMORY_MB_MAX,
  SPEC_OWNER_CREDITS_PER_MINUTE_MAX,
  SPEC_PROVIDERS_MAX,
  SPEC_TIMEOUT_MS_MAX,
} from "../limits.ts";
import { permitShape, permitToJson } from "../permit.ts";
import { addressShape, hexShape, parseShape } from "../shape.ts";
import { aboutShape } from "./about.ts";
import { corsShape } from "./cors.ts";
import { entryPath } from "./program_path.ts";
import { environmentShape } from "./environment.ts";
import { interfaceFault, serverShape } from "./server.ts";
import { wholeNumber } from "./whole_number.ts";

const cidShape = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return formatCid(parseCid(dataset.value));
    } catch {
      addIssue({ message: "not a cid that can be fetched" });
      return NEVER;
    }
  }),
);

const entrypointShape = v.pipe(
  v.string(),
  v.check(
    (text) =>
      text.length <= PROGRAM_PATH_BYTES_MAX && entryPath(text.replace(/^\.\//, "")) !== null,
    "not a path inside the program",
  ),
);

const argumentShape = v.pipe(
  v.string(),
  v.check((text) => !text.includes("\0") && text.isWellFormed(), "not text without NUL"),
);

const programShape = v.strictObject({
  /** The program zip. */
  cid: cidShape,
  /** base64url of 32 bytes; present when the zip is encrypted. */
  key: v.exactOptional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/, "not a 32-byte key"))),
  /** The executable, relative to the program's folder. */
  entrypoint: entrypointShape,
  /** What stands on its argument list before the request's own. */
  args: v.pipe(v.array(argumentShape), v.maxLength(SPEC_ARGS_MAX)),
});

const interfaceShape = v.picklist(["curl", "cgi", "http"], 'not "curl", "cgi" or "http"');

const limitsShape = v.strictObject({
  /** Wall clock of each credit of a run; the provider's own limit holds where it is lower. */
  timeoutMs: wholeNumber(1, SPEC_TIMEOUT_MS_MAX),
  /** Memory of one run in MiB; the provider's own limit holds where it is lower. */
  memoryMb: wholeNumber(1, SPEC_MEMORY_MB_MAX),
  /** Runs at the same time. */
  concurrency: wholeNumber(1, DEPLOYMENT_CONCURRENCY_MAX),
  /** Credits the owner pays for strangers in a minute; beyond it callers get a free 429. */
  ownerCreditsPerMinute: wholeNumber(1, SPEC_OWNER_CREDITS_PER_MINUTE_MAX),
  /** Credits that one run may take, each for `timeoutMs`; 1 where a spec says nothing. */
  credits: v.exactOptional(wholeNumber(1, SPEC_CREDITS_MAX)),
});

const egressShape = v.pipe(
  v.string(),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const fault = egressFault(dataset.value);
    if (fault !== null) addIssue({ message: `${JSON.stringify(dataset.value)}: ${fault}` });
  }),
);

const providerShape = v.strictObject({
  address: addressShape,
  chainId: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  escrow: addressShape,
  /** keccak256 of the terms text that the owner agreed to. */
  terms: hexShape(32),
  /** The owner's own permit, on the deployment's lane. */
  permit: permitShape,
});

const unsignedEntries = {
  version: v.literal(1, "only version 1 is known"),
  /** 32 random bytes; the owner's lane is derived from it. */
  id: hexShape(32),
  program: programShape,
  interface: interfaceShape,
  /** Only with interface "http". */
  server: v.exactOptional(serverShape),
  env: environmentShape,
  limits: limitsShape,
  /** host:port, or *.suffix:port, that the program may call; empty: none, it has no network. */
  egress: v.pipe(v.array(egressShape), v.maxLength(SPEC_EGRESS_MAX)),
  /** "payer": only requests that carry their own permit. */
  access: v.picklist(["public", "payer"], 'not "public" or "payer"'),
  /** What anybody may know of it; without it nothing is published. */
  about: v.exactOptional(aboutShape),
  /** Which web pages may read its answers where the program does not say it. */
  cors: v.exactOptional(corsShape),
  owner: addressShape,
  providers: v.pipe(
    v.array(providerShape),
    v.minLength(1, "names no provider"),
    v.maxLength(SPEC_PROVIDERS_MAX, `names more than ${SPEC_PROVIDERS_MAX} providers`),
    v.check(
      (entries) => new Set(entries.map(entryKey)).size === entries.length,
      "names a provider twice",
    ),
  ),
};

/** Refuses what does not go together with the spec's interface, by its field. */
function checkInterface<Fields extends Parameters<typeof interfaceFault>[0]>(
  { dataset, addIssue }: v.RawCheckContext<Fields>,
): void {
  const fault = dataset.typed ? interfaceFault(dataset.value) : null;
  if (fault === null) return;
  const { field: key, message } = fault;
  const input = dataset.value as Record<string, unknown>;
  const path = [{ type: "object", origin: "value", input, key, value: input[key] }] as const;
  addIssue({ message, path: [...path] });
}

const specShape = v.pipe(
  v.strictObject({ ...unsignedEntries, signature: hexShape(65) }),
  v.rawCheck((context) => checkInterface(context)),
);
const unsignedShape = v.pipe(
  v.strictObject(unsignedEntries),
  v.rawCheck((context) => checkInterface(context)),
);

/** One provider that the owner lets run the program and charge for it. */
export type ProviderEntry = v.InferOutput<typeof providerShape>;
/** A spec before its owner signs it. */
export type UnsignedSpec = v.InferOutput<typeof unsignedShape>;
/** A spec whose form is right; `verifySpec` tells whether its owner signed it. */
export type Spec = v.InferOutput<typeof specShape>;
/** The JSON form: amounts as decimal strings. */
export type SpecJson = v.InferInput<typeof specShape>;

function entryKey(entry: { address: Address; chainId: number; escrow: Address }): string {
  return `${entry.chainId}:${entry.escrow}:${entry.address}`.toLowerCase();
}

/**
 * Reads a spec's JSON form. Addresses come back with their checksum, hex in lower case and the cid
 * in base32, whatever form they were written in: that normal form is what the signature covers.
 * @throws KhachapuriError `invalid_spec` that names the field
 */
export function parseSpec(json: unknown): Spec {
  return parseShape(specShape, json, "spec", "invalid_spec");
}

/** @throws KhachapuriError `invalid_spec` that names the field; for a spec still to be signed. */
export function parseUnsignedSpec(json: unknown): UnsignedSpec {
  return parseShape(unsignedShape, json, "spec", "invalid_spec");
}

/** The JSON form of a spec, before or after its signature. */
export function specToJson(spec: Spec): SpecJson;
export function specToJson(spec: UnsignedSpec): Omit<SpecJson, "signature">;
export function specToJson(spec: UnsignedSpec): Omit<SpecJson, "signature"> {
  const providers = spec.providers.map((entry) => ({
    ...entry,
    permit: permitToJson(entry.permit),
  }));
  return { ...spec, providers };
}

/** The entry meant for this provider on this chain and escrow; null when there is none. */
export function specEntryFor(
  spec: UnsignedSpec,
  at: { address: Address; chainId: number; escrow: Address },
): ProviderEntry | null {
  return spec.providers.find((entry) =>
    entry.chainId === at.chainId && isAddressEqual(entry.address, at.address) &&
    isAddressEqual(entry.escrow, at.escrow)
  ) ?? null;
}

/** 32 fresh random bytes. */
export function newDeploymentId(): Hex {
  return `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`;
}

/** @throws KhachapuriError `invalid_spec` when there is no entry for `at`. */
export function requireEntry(
  spec: UnsignedSpec,
  at: { address: Address; chainId: number; escrow: Address },
): ProviderEntry {
  const entry = specEntryFor(spec, at);
  if (entry) return entry;
  throw new KhachapuriError("invalid_spec", "the spec is not for this provider", {
    hints: [`it must name ${at.address} with escrow ${at.escrow} on chain ${at.chainId}`],
  });
}
