/**
 * The age envelope (age-encryption.org/v1) around a spec. The ciphertext is public for ever, so a
 * post-quantum recipient makes sense only if every recipient is one: the kinds never mix.
 */
import { Decrypter, Encrypter } from "age-encryption";
import { KhachapuriError } from "../errors.ts";
import { SPEC_BYTES_MAX, SPEC_PROVIDERS_MAX } from "../limits.ts";
import { parseJson } from "../shape.ts";
import { HybridIdentity } from "./hybrid_identity.ts";
import type { IdentityKind } from "./keys.ts";
import { parseSpec, type Spec, specToJson } from "./schema.ts";

const STANZA_KINDS: Readonly<Record<string, IdentityKind>> = {
  X25519: "x25519",
  mlkem768x25519: "pq",
};

/** Which kind of key a recipient is; null for anything that is no recipient of ours. */
export function recipientKind(recipient: string): IdentityKind | null {
  if (/^age1pq1[a-z0-9]{1952}$/.test(recipient)) return "pq";
  if (/^age1[a-z0-9]{58}$/.test(recipient)) return "x25519";
  return null;
}

/**
 * Encrypts a spec to every recipient; each of them can open it alone.
 * @throws KhachapuriError `invalid_input` for a bad or mixed list of recipients, `invalid_spec`
 *   when the ciphertext passes SPEC_BYTES_MAX
 */
export async function sealSpec(spec: Spec, recipients: readonly string[]): Promise<Uint8Array> {
  assertRecipients(recipients);
  const encrypter = new Encrypter();
  try {
    for (const recipient of new Set(recipients)) encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new KhachapuriError("invalid_input", "not an age recipient", { cause });
  }
  const sealed = await encrypter.encrypt(JSON.stringify(specToJson(spec)));
  if (sealed.length <= SPEC_BYTES_MAX) return sealed;
  throw new KhachapuriError(
    "invalid_spec",
    `the encrypted spec has ${sealed.length} bytes, at most ${SPEC_BYTES_MAX} are allowed`,
    { hints: ["move large values from env into the program; --private keeps it secret too"] },
  );
}

function assertRecipients(recipients: readonly string[]): void {
  if (recipients.length === 0) throw new KhachapuriError("invalid_input", "no recipient given");
  const kinds = new Set(recipients.map(recipientKind));
  if (kinds.has(null)) throw new KhachapuriError("invalid_input", "not an age recipient");
  if (kinds.size === 1) return;
  throw new KhachapuriError("invalid_input", "post-quantum and X25519 recipients never mix", {
    hints: [
      "one X25519 recipient makes the whole spec as weak as X25519",
      "deploy twice, once for each kind of provider",
    ],
  });
}

/** A spec, and which of the identities opened it. */
export interface OpenedSpec {
  readonly spec: Spec;
  readonly identity: string;
}

/**
 * Decrypts and parses a spec; its signature is not checked here (`verifySpec`).
 * @returns null when it is encrypted to somebody else
 * @throws KhachapuriError `invalid_spec` when it is no age file, damaged, mixed, or no spec inside
 */
export async function openSpec(
  bytes: Uint8Array,
  identities: readonly string[],
): Promise<Spec | null> {
  return (await openSealedSpec(bytes, identities))?.spec ?? null;
}

/**
 * As `openSpec`, with the identity that it takes: each is tried in its turn.
 * @throws KhachapuriError as `openSpec`
 */
export async function openSealedSpec(
  bytes: Uint8Array,
  identities: readonly string[],
): Promise<OpenedSpec | null> {
  if (bytes.length > SPEC_BYTES_MAX) throw malformed(`larger than ${SPEC_BYTES_MAX} bytes`);
  const kind = envelopeKind(bytes);
  for (const identity of identities) {
    if (identityKind(identity) !== kind) continue;
    const text = await decrypt(bytes, identity);
    if (text === null) continue;
    return { spec: parseSpec(parseJson(text, "spec", "invalid_spec")), identity };
  }
  return null;
}

function identityKind(identity: string): IdentityKind {
  return identity.startsWith("AGE-SECRET-KEY-PQ-1") ? "pq" : "x25519";
}

async function decrypt(bytes: Uint8Array, identity: string): Promise<string | null> {
  const decrypter = new Decrypter();
  const isHybrid = identityKind(identity) === "pq";
  decrypter.addIdentity(isHybrid ? new HybridIdentity(identity) : identity);
  let plain: Uint8Array;
  try {
    plain = await decrypter.decrypt(bytes);
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith("no identity matched")) return null;
    throw malformed("damaged", cause);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain);
  } catch {
    throw malformed("no text inside");
  }
}

/**
 * The one kind of recipient in an age header. Read before any key is tried: it refuses what mixes
 * kinds, and it bounds how many key agreements a hostile file can make us compute.
 */
function envelopeKind(bytes: Uint8Array): IdentityKind {
  const head = new TextDecoder("latin1").decode(bytes);
  const end = head.indexOf("\n---");
  if (!head.startsWith("age-encryption.org/v1\n") || end < 0) throw notAgeFile();
  const stanzas = head.slice(0, end).split("\n").filter((line) => line.startsWith("-> "));
  if (stanzas.length > SPEC_PROVIDERS_MAX) {
    throw malformed(`more than ${SPEC_PROVIDERS_MAX} recipients`);
  }
  const kinds = new Set<IdentityKind>();
  for (const stanza of stanzas) {
    const kind = STANZA_KINDS[stanza.split(" ")[1] ?? ""];
    if (kind) kinds.add(kind);
  }
  const [kind, ...others] = kinds;
  if (!kind) throw malformed("no recipient of a known kind");
  if (others.length > 0) throw malformed("mixes post-quantum and X25519 recipients");
  return kind;
}

function notAgeFile(): KhachapuriError {
  return new KhachapuriError("invalid_spec", "encrypted spec: not an age file", {
    hints: ["is it a deployment's cid? a program has a cid of its own, which can't be called"],
  });
}

function malformed(reason: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_spec", `encrypted spec: ${reason}`, { cause });
}
