/**
 * The one file that holds secrets: an account's private key, age identities, or both. Mode 0600
 * and owned by whoever runs us; anything looser is refused with the command that mends it.
 */
import {
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { KhachapuriError } from "../errors.ts";
import { fileError } from "../files.ts";
import { createPrivateJsonFile, replaceJsonFile } from "../home_file.ts";
import { hexShape, parseJson, parseShape } from "../shape.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const identityShape = v.pipe(
  v.string(),
  v.regex(/^AGE-SECRET-KEY-(PQ-)?1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}$/, "not an age identity"),
);

const privateKeyShape = v.pipe(
  hexShape(32),
  v.check((key) => BigInt(key) > 0n && BigInt(key) < CURVE_ORDER, "not a private key"),
);

const keyFileShape = v.strictObject({
  version: v.literal(1, "only version 1 is known"),
  /** A secp256k1 private key. */
  account: v.exactOptional(privateKeyShape),
  /** age identities, newest first: the first is the one whose recipient is published. */
  identities: v.exactOptional(v.array(identityShape)),
});

export type KeyFile = v.InferOutput<typeof keyFileShape>;

/** "pq" is the post-quantum hybrid (age1pq1…), "x25519" what every age tool knows (age1…). */
export type IdentityKind = "pq" | "x25519";

/** A fresh age identity. */
export function generateIdentity(kind: IdentityKind): Promise<string> {
  return kind === "pq" ? generateHybridIdentity() : generateX25519Identity();
}

/**
 * The public recipient of an identity.
 * @throws KhachapuriError `invalid_input`
 */
export async function recipientOf(identity: string): Promise<string> {
  try {
    return await identityToRecipient(identity);
  } catch {
    // The cause would quote the secret.
    throw new KhachapuriError("invalid_input", "not an age identity");
  }
}

/**
 * A recipient as people tell it from others: a post-quantum one has 1,959 characters. Its end is
 * random and a checksum.
 */
export function shortRecipient(recipient: string): string {
  return `${recipient.slice(0, recipient.startsWith("age1pq1") ? 11 : 8)}…${recipient.slice(-12)}`;
}

/**
 * Reads a key file.
 * @throws KhachapuriError `not_found`; `insecure_key_file` when others could read it or it belongs
 *   to somebody else; `invalid_input` when it is not a key file (never quoting what it holds)
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  using file = await openKeyFile(path);
  assertPrivate(path, await file.stat());
  const text = await new Response(file.readable).text();
  return parseShape(keyFileShape, parseSecret(text, path), path, "invalid_input");
}

/**
 * The secret that is all of a file, without white space around it.
 * @throws KhachapuriError `not_found`, `insecure_key_file`
 */
export async function readSecretText(path: string): Promise<string> {
  using file = await openKeyFile(path);
  assertPrivate(path, await file.stat());
  return (await new Response(file.readable).text()).trim();
}

async function openKeyFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      const isLink = await Deno.lstat(path).then(() => true, () => false);
      if (isLink) throw noSuchTarget(path, cause);
      throw new KhachapuriError("not_found", `no key file at ${path}`, {
        cause,
        hints: ["put it back from a backup, if there was one", "else khachapuri init makes one"],
      });
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw new KhachapuriError("insecure_key_file", `${path} can't be read by this user`, {
        cause,
        hints: [`run as its owner, or: chown ${Deno.uid()} ${path}`],
      });
    }
    throw await fileError(cause, path, "read");
  }
}

/** It is not absent: a new one could not be made there. */
function noSuchTarget(path: string, cause: unknown): KhachapuriError {
  const message = `${path} is a link to what does not exist`;
  return new KhachapuriError("insecure_key_file", message, { cause, hints: [`see ls -l ${path}`] });
}

function assertPrivate(path: string, info: Deno.FileInfo): void {
  if (!info.isFile) throw new KhachapuriError("insecure_key_file", `${path} is no regular file`);
  if (info.uid !== Deno.uid()) {
    throw new KhachapuriError("insecure_key_file", `${path} belongs to another user`, {
      hints: [
        "run it as that user: runuser -u USER -- khachapuri …",
        `or, if it should be yours: chown ${Deno.uid()} ${path}`,
      ],
    });
  }
  const mode = (info.mode ?? 0o777) & 0o777;
  if ((mode & 0o077) !== 0) {
    throw new KhachapuriError(
      "insecure_key_file",
      `others can use the keys in ${path} (mode ${mode.toString(8).padStart(4, "0")})`,
      { hints: [`chmod 600 ${path}`] },
    );
  }
}

/** Without the cause: JSON.parse's message quotes its input, and a key would end in a log. */
function parseSecret(text: string, path: string): unknown {
  try {
    return parseJson(text, path, "invalid_input");
  } catch (error) {
    throw new KhachapuriError("invalid_input", (error as KhachapuriError).shortMessage);
  }
}

/**
 * Writes a key file with mode 0600, its folder with 0700; never over an existing one, and never
 * leaving half of one.
 * @throws KhachapuriError `invalid_input` when the path is taken
 */
export async function writeKeyFile(path: string, keyFile: KeyFile): Promise<void> {
  const checked = parseShape(keyFileShape, keyFile, "key file", "invalid_input");
  try {
    await createPrivateJsonFile(path, checked);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new KhachapuriError("invalid_input", `${path} exists and is never overwritten`, {
      cause,
      hints: ["move it away first if its keys are no longer needed"],
    });
  }
}

/**
 * Puts a fresh operator account, or a fresh identity before the others, into a key file. What it
 * held before stays beside it, under a name of its own: a key that is gone opens nothing.
 * @returns the path of what it held before
 * @throws KhachapuriError as `readKeyFile`
 */
export async function renewKeys(
  path: string,
  next: (before: KeyFile) => KeyFile,
): Promise<string> {
  const before = await readKeyFile(path);
  const after = parseShape(keyFileShape, next(before), "key file", "invalid_input");
  const earlier = `${path}.${new Date().toISOString().replace(/[:.]/g, "")}`;
  await createPrivateJsonFile(earlier, before);
  await replaceJsonFile(path, after, 0o600);
  return earlier;
}

/** What `renewKeys` has kept beside a key file, newest first; it may have been made anew since. */
export async function earlierKeyFiles(path: string): Promise<string[]> {
  const beginning = `${basename(path)}.`;
  const items = await Array.fromAsync(Deno.readDir(dirname(path))).catch(() => []);
  const isEarlier = ({ name }: Deno.DirEntry) =>
    name.startsWith(beginning) && /^\d{4}-[\dT-]+Z$/.test(name.slice(beginning.length));
  return items.filter(isEarlier).map(({ name }) => join(dirname(path), name)).sort().reverse();
}

/**
 * The account of a key file.
 * @throws KhachapuriError `invalid_input` when the file holds identities only
 */
export function accountOf(keyFile: KeyFile, path: string): LocalAccount {
  if (keyFile.account) return privateKeyToAccount(keyFile.account);
  throw new KhachapuriError("invalid_input", `${path} holds no account`);
}
