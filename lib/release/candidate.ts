/**
 * A file that is to take this program's place. It is read once: the bytes that are verified are
 * those that are installed, whatever becomes of the file. Nothing of it is run to find out what it
 * is, as its signature says that.
 */
import { KhachapuriError } from "../errors.ts";
import { named, readText } from "../files.ts";
import { MINISIGN_CHARS_MAX, PACKAGE_BYTES_MAX } from "../limits_of_peers.ts";
import { readReleaseComment } from "./comment.ts";
import { verifyMinisig } from "./minisign.ts";
import { compareVersions } from "./version_order.ts";

export interface Candidate {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly version: string;
  /** As releases are named by it: `x86_64`, `arm64`. */
  readonly architecture: string;
  /** The signer's. */
  readonly keyId: string;
}

/**
 * Reads a file and checks `<path>.minisig` beside it.
 * @param key minisign's public key that is trusted
 * @throws KhachapuriError `not_found`, `invalid_signature`, `invalid_input`, `body_too_large`
 */
export async function readCandidate(path: string, key: string): Promise<Candidate> {
  const bytes = await readBounded(path, PACKAGE_BYTES_MAX);
  const signature = await readSignature(`${path}.minisig`);
  const { keyId, trustedComment } = verifyMinisig(bytes, signature, key);
  const { version, architecture } = readReleaseComment(trustedComment);
  if (architecture === null || versionIn(bytes) !== version) {
    throw new KhachapuriError("invalid_input", `${path} is signed, but no package of Khachapuri`, {
      hints: ["a release's packages are named khachapuri…; the other files go with them"],
    });
  }
  return { bytes, version, architecture, keyId };
}

/** What stands at the beginning of a package (tools/package.ts). */
const HEAD = /^#!\/bin\/sh\n# Khachapuri (?<version>\d+\.\d+\.\d+(?:-[\w.-]+)?)[ :\n]/;
const HEAD_BYTES = 256;

/** The version that a package says it is; null for what is no package. */
export function versionIn(bytes: Uint8Array): string | null {
  const head = new TextDecoder().decode(bytes.subarray(0, HEAD_BYTES));
  return HEAD.exec(head)?.groups?.version ?? null;
}

export interface Judged {
  /** What runs or is installed now; null where that is not known. */
  readonly version: string | null;
  /** This machine's. */
  readonly architecture: string;
  readonly allowsOlder: boolean;
  readonly isForced: boolean;
}

/** @throws KhachapuriError `invalid_input` for what is not to take the place of what is there */
export function judgeCandidate(
  { version, architecture }: Pick<Candidate, "version" | "architecture">,
  now: Judged,
): void {
  if (architecture !== now.architecture) {
    const reason = `it is for ${architecture}, and this machine is ${now.architecture}`;
    throw new KhachapuriError("invalid_input", reason, {
      hints: [`take the release's package for ${now.architecture}`],
    });
  }
  const order = now.version === null ? 1 : compareVersions(version, now.version);
  if (order < 0 && !now.allowsOlder) {
    const reason = `it is ${version}, which is older than ${now.version}`;
    throw new KhachapuriError("invalid_input", reason, {
      hints: ["--rollback goes back to the file before", "--allow-older takes it all the same"],
    });
  }
  if (order === 0 && !now.isForced) {
    throw new KhachapuriError("invalid_input", `${version} is what is there already`, {
      hints: ["--force installs it all the same"],
    });
  }
}

async function readSignature(path: string): Promise<string> {
  const isThere = await Deno.stat(path).then(() => true, () => false);
  if (!isThere) {
    throw new KhachapuriError("not_found", `there is no signature at ${path}`, {
      hints: ["fetch the .minisig that was published with the file"],
    });
  }
  const { size } = await named(path, "read", Deno.stat(path));
  if (size > 4 * MINISIGN_CHARS_MAX) throw tooLarge(path, 4 * MINISIGN_CHARS_MAX);
  return await readText(path);
}

async function readBounded(path: string, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  // Before it is opened, as a pipe would have us wait.
  assertFile(path, await named(path, "read", Deno.stat(path)));
  using file = await named(path, "read", Deno.open(path));
  const { size, ...info } = await file.stat();
  assertFile(path, info);
  if (size > bytesMax) throw tooLarge(path, bytesMax);
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const read = await named(path, "read", file.read(bytes.subarray(length)));
    if (read === null) break;
    length += read;
  }
  return bytes.subarray(0, length);
}

function assertFile(path: string, { isFile }: Pick<Deno.FileInfo, "isFile">): void {
  if (isFile) return;
  throw new KhachapuriError("file_unusable", `${path} is no regular file`, {
    hints: ["name the package that was fetched"],
  });
}

function tooLarge(path: string, bytesMax: number): KhachapuriError {
  return new KhachapuriError("body_too_large", `${path} has more than ${bytesMax} bytes`);
}
