/** A program as it will be published: packed, with its cid, and looked through before it is. */
import { relative } from "node:path";
import { formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { type Dag, importFile } from "../ipfs/dag.ts";
import type { Machine } from "../spec/executable.ts";
import { type ProgramFile, readProgram, zipProgram } from "../spec/pack.ts";
import { encryptProgram } from "../spec/private_program.ts";
import { readListing } from "../spec/program_listing.ts";
import { packedView } from "../spec/program_view.ts";
import { readStart, type StartCommand, type StartFacts } from "../spec/start_facts.ts";
import { invalidStart, startFault } from "../spec/start_fault.ts";
import { findSecrets, type FoundSecret } from "./secrets.ts";

/** A program, packed and with its cid; nothing of it has been published. */
export interface PackedProgram {
  dag: Dag;
  cid: string;
  /** base64url; present when the zip is encrypted. */
  key?: string;
  /** Bytes of what is published. */
  size: number;
  /** How it would be started. */
  start: StartFacts;
  /** What it holds that looks secret. */
  secrets: readonly FoundSecret[];
  /** Paths of what stays out of it without anybody having said so. */
  leftOut: readonly string[];
}

/**
 * Packs a program folder.
 * @param isPrivate encrypt it, so that only its providers can read it
 * @param envFile what its environment is read from, which is secret if it lies in the folder
 * @throws KhachapuriError `invalid_program`, `not_found`
 */
export async function packForDeployment(
  dir: string,
  isPrivate: boolean,
  command: StartCommand,
  envFile: string | null = null,
): Promise<PackedProgram> {
  const { entries, leftOut } = await readListing(dir);
  const files = await readProgram(dir, entries);
  const zip = await zipProgram(files);
  const secrets = secretsIn(files, envFile && await pathWithin(dir, envFile));
  const start = await readStart(packedView(files), command);
  const { bytes, ...key } = isPrivate ? encryptProgram(zip) : { bytes: zip };
  const dag = importFile(bytes);
  return { dag, cid: formatCid(dag.root), size: bytes.length, start, secrets, leftOut, ...key };
}

function secretsIn(files: readonly ProgramFile[], envPath: string | null): FoundSecret[] {
  const secrets = findSecrets(files);
  const isPacked = files.some(({ path, kind }) => path === envPath && kind === "file");
  if (envPath !== null && isPacked && secrets.every(({ path }) => path !== envPath)) {
    secrets.push({ path: envPath, why: "what --env-file reads" });
  }
  return secrets;
}

/** Where in a folder a file lies; null: elsewhere, or nowhere, as a pipe from a shell. */
async function pathWithin(dir: string, path: string): Promise<string | null> {
  const real = await Deno.realPath(path).catch(() => null);
  const within = real && relative(await Deno.realPath(dir), real);
  return within === null || within.startsWith("../") ? null : within;
}

/**
 * Whether a provider could start it.
 * @param machine the provider's processor; null when it is not known
 * @returns what it needs of a provider's machine and this one lacks, in words; null: nothing
 * @throws KhachapuriError `invalid_program` when no provider could
 */
export function assertStartable(start: StartFacts, machine: Machine | null): string | null {
  const fault = startFault(start, machine);
  if (fault && !fault.isLocal) throw invalidStart(fault);
  return fault && fault.message;
}

/**
 * Whether all that looks secret may go into the program.
 * @param allowed paths that its owner named
 * @throws KhachapuriError `invalid_program` that lists what looks secret; `invalid_input` for a
 *   name that stands for nothing
 */
export function assertNoSecrets(
  secrets: readonly FoundSecret[],
  allowed: readonly string[],
  isPrivate: boolean,
): void {
  const paths = allowed.map((path) => path.replace(/^(\.\/)+/, ""));
  const idle = paths.find((path) => secrets.every((secret) => secret.path !== path));
  if (idle !== undefined) {
    throw new KhachapuriError("invalid_input", `--allow-secret ${idle}: nothing secret is there`, {
      hints: ["it takes a path as it stands in the program's folder, of a file that looks secret"],
    });
  }
  const left = secrets.filter(({ path }) => !paths.includes(path));
  if (left.length === 0) return;
  const whose = isPrivate
    ? "the provider could read them, and keep them"
    : "everybody could read them, for ever";
  const what = left.map(({ path, why }) => `${path} (${why})`).join(", ");
  throw new KhachapuriError("invalid_program", `the program holds secrets: ${what}; ${whose}`, {
    hints: [
      "values that the program needs: --env-file FILE, or --env NAME=VALUE, which are encrypted",
      "files that it does not need: name them in .khachapuriignore",
      `if it must be so: ${left.map(({ path }) => `--allow-secret ${quoted(path)}`).join(" ")}`,
    ],
    data: { secrets: left },
  });
}

/** For a shell, where it needs it. */
function quoted(path: string): string {
  return /^[\w./@-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
