/**
 * `deno task release`: all that is published of a version, in dist/release. The same commit gives
 * the same bytes, wherever and whenever it is built (release_trial.ts shows it), with the same
 * signatures where they are by the same key.
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import manifest from "../../deno.json" with { type: "json" };
import { KhachapuriError } from "../../lib/errors.ts";
import { writeReleaseComment } from "../../lib/release/comment.ts";
import { parseMinisignKey } from "../../lib/release/minisign.ts";
import { commitHere } from "../bundle.ts";
import { buildPackage } from "../package.ts";
import { complain, print, stop } from "../print.ts";
import { runQuietly } from "../quiet.ts";
import { type Architecture, ARCHITECTURES, DENO_VERSION } from "./architectures.ts";
import { buildHelper } from "./native.ts";
import { collectLicenses } from "./licenses.ts";
import { notesOf } from "./notes.ts";
import { fetchDeno } from "./runtime.ts";
import { type Lock, sbomOf } from "./sbom.ts";
import { readSigningKey } from "./secret_key.ts";
import { signFile, type SigningKey } from "./sign.ts";

const ROOT = join(import.meta.dirname!, "../..");
const TARGET = join(ROOT, "dist/release");
const VERSION: string = manifest.version;
/** A package that is larger is none that a provider shall have to fetch. */
const PACKAGE_BYTES = 45_000_000;
const USAGE = "usage: deno task release [--key FILE [--next-key FILE]] [--architecture NAME]…";

interface Order {
  readonly architectures: readonly Architecture[];
  readonly key: SigningKey | null;
  /** minisign's line of the key that signs the releases after this one. */
  readonly nextKey: string | null;
  readonly commit: string;
  /** Of the commit; Unix seconds. */
  readonly timestamp: number;
}

async function readOrder(args: string[]): Promise<Order> {
  const { values } = parseArguments(args);
  const names = values.architecture ?? ARCHITECTURES.map(({ name }) => name);
  const unknown = names.find((name) => !ARCHITECTURES.some((each) => each.name === name));
  if (unknown !== undefined) stop([`release: there is no architecture ${unknown}`, USAGE]);
  if (values["next-key"] !== undefined && values.key === undefined) {
    stop(["release: the next key is vouched for by the present one: add --key", USAGE]);
  }
  const next = values["next-key"];
  const nextKey = next === undefined ? null : await readPublicKey(next);
  return {
    architectures: ARCHITECTURES.filter(({ name }) => names.includes(name)),
    key: values.key === undefined ? null : await readSigningKey(values.key),
    nextKey,
    ...await commitToRelease(),
  };
}

function parseArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        key: { type: "string" },
        "next-key": { type: "string" },
        architecture: { type: "string", multiple: true },
      },
    });
  } catch (thrown) {
    stop([`release: ${(thrown as Error).message}`, USAGE]);
  }
}

async function readPublicKey(path: string): Promise<string> {
  try {
    return parseMinisignKey(await Deno.readTextFile(path)).line;
  } catch (thrown) {
    const why = thrown instanceof KhachapuriError ? thrown.shortMessage : String(thrown);
    stop([`release: ${path}: ${why}`]);
  }
}

/** A release is of one commit: what is not in it cannot be built again. */
async function commitToRelease(): Promise<{ commit: string; timestamp: number }> {
  const commit = await commitHere();
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    stop(["release: files differ from the commit, or there is none: commit or remove them"]);
  }
  const time = await runQuietly("git", ["-C", ROOT, "show", "-s", "--format=%ct", commit]);
  return { commit, timestamp: Number(time.said) };
}

/** Who builds decides what comes out: the bundler and the compressor are in deno. */
function requireBuilder(): void {
  if (Deno.version.deno === DENO_VERSION) return;
  stop([
    `release: it is built by deno ${DENO_VERSION}; this is ${Deno.version.deno}`,
    `  npx -y deno@${DENO_VERSION} task release`,
  ]);
}

async function readNotes(): Promise<string> {
  const notes = notesOf(await Deno.readTextFile(join(ROOT, "CHANGELOG.md")), VERSION);
  if (!notes) stop([`release: CHANGELOG.md says nothing of ${VERSION}`]);
  if (notes.isUnreleased) {
    complain(`release: CHANGELOG.md calls ${VERSION} unreleased: publish nothing of this`);
  }
  return notes.text;
}

/** A package and its SBOM. */
async function buildFor(architecture: Architecture, order: Order, dir: string): Promise<void> {
  const { commit, timestamp, key, nextKey } = order;
  const [deno, helper] = [await fetchDeno(architecture), await buildHelper(architecture)];
  const path = join(dir, `khachapuri-${VERSION}-linux-${architecture.name}`);
  const trustedKey = nextKey ?? key?.publicLine ?? null;
  const { bytes, sha256, packages } = await buildPackage(path, {
    deno,
    helper: helper.path,
    replacements: helper.replacements,
    baked: { commit, trustedKey },
  });
  print(`${basename(path)}  ${(bytes / 1e6).toFixed(1)} MB`);
  if (bytes > PACKAGE_BYTES) {
    stop([`release: that is more than the ${PACKAGE_BYTES / 1e6} MB that a package may have`]);
  }
  const lock: Lock = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.lock")));
  const licenses = await collectLicenses(packages);
  const { compiler } = helper;
  const facts = { version: VERSION, architecture, sha256, commit, timestamp };
  const parts = { packages, licenses, compiler, denoVersion: DENO_VERSION, lock };
  await Deno.writeTextFile(`${path}.cdx.json`, sbomOf({ ...facts, ...parts }));
}

async function namesIn(dir: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(dir)) names.push(name);
  return names.sort();
}

/** As sha256sum writes and reads it. */
async function writeSums(dir: string): Promise<void> {
  const lines: string[] = [];
  for (const name of await namesIn(dir)) {
    const bytes = await Deno.readFile(join(dir, name));
    lines.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`);
  }
  await Deno.writeTextFile(join(dir, "SHA256SUMS"), lines.join(""));
}

/** Each file gets its own signature: whoever fetches one needs no other. */
async function signAll(dir: string, key: SigningKey, order: Order): Promise<void> {
  const { commit, timestamp } = order;
  for (const file of await namesIn(dir)) {
    const [, architecture = null] = /-linux-(\w+)$/.exec(file) ?? [];
    const facts = { timestamp, file, version: VERSION, architecture, commit };
    const text = signFile(await Deno.readFile(join(dir, file)), key, writeReleaseComment(facts));
    await Deno.writeTextFile(join(dir, `${file}.minisig`), text);
  }
}

function keyFile(line: string): string {
  return `untrusted comment: minisign public key ${parseMinisignKey(line).id}\n${line}\n`;
}

/** Nobody finds half a release: the folder is put in its place when it is whole. */
async function release(order: Order): Promise<void> {
  const notes = await readNotes();
  const fresh = `${TARGET}.new`;
  await Deno.remove(fresh, { recursive: true }).catch(() => {});
  await Deno.mkdir(fresh, { recursive: true });
  for (const architecture of order.architectures) await buildFor(architecture, order, fresh);
  await Deno.writeTextFile(join(fresh, "RELEASE_NOTES.md"), notes);
  const { key, nextKey } = order;
  if (nextKey) await Deno.writeTextFile(join(fresh, "khachapuri-next.pub"), keyFile(nextKey));
  await writeSums(fresh);
  if (key) await signAll(fresh, key, order);
  else complain("release: no --key: nothing is signed, and the packages trust no key");
  await Deno.remove(TARGET, { recursive: true }).catch(() => {});
  await Deno.rename(fresh, TARGET);
  print(`${(await namesIn(TARGET)).length} files in dist/release`);
}

if (import.meta.main) {
  requireBuilder();
  await release(await readOrder(Deno.args));
}
