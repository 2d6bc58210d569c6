/**
 * `deno task package`: one self-extracting file with the deno that runs this and our bundle in it.
 * A POSIX sh stub stands before a tar.gz; the first start unpacks it into the user's cache under
 * the archive's own SHA-256, later ones start from there. What a command needs of the bundle is
 * loaded when it starts, as V8 has compiled it the time before. The permissions are baked into the
 * stub: whatever a user writes after the file's name is an argument of ours. The same sources and
 * the same deno give the same bytes.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import manifest from "../deno.json" with { type: "json" };
import { LICENSES_FILE } from "../lib/release/licenses.ts";
import {
  type Baked,
  bundle,
  commitHere,
  factsModule,
  packagesIn,
  readBundle,
  type Replacements,
} from "./bundle.ts";
import { HELPER, permissions } from "./permissions.ts";
import { print, stop } from "./print.ts";
import { allPackages, collectLicenses } from "./release/licenses.ts";
import { V8_FLAGS } from "./v8_flags.ts";

const ROOT = join(import.meta.dirname!, "..");

async function run(command: string, args: readonly string[], cwd: string): Promise<Uint8Array> {
  const { code, stdout } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (code !== 0) stop([`package: ${command} ${args[0]} failed with exit code ${code}`]);
  return stdout;
}

function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Of what sha256sum says of the files in the order of their names, as the stub asks it to. */
function bundleDigest(files: ReadonlyMap<string, string>): string {
  return sha256([...files].map(([name, code]) => `${sha256(code)}  ${name}\n`).join(""));
}

/** What goes into a package besides our sources. */
export interface Parts {
  /** Path of the runtime. */
  readonly deno: string;
  /** Path of the sandbox's native helper. */
  readonly helper: string;
  readonly baked: Baked;
  /** Modules for this machine in the place of those that the set-up made, by their path. */
  readonly replacements?: Replacements;
}

/** Those of this machine, as `deno task package` takes them: nothing is fetched. */
async function partsHere(): Promise<Parts> {
  const baked = { commit: await commitHere(), trustedKey: null };
  return { deno: Deno.execPath(), helper: join(ROOT, HELPER), baked };
}

/** The files as a tar.gz that depends on nothing but their bytes. */
async function payload(dir: string, { deno, helper }: Parts): Promise<Uint8Array> {
  await Deno.copyFile(deno, join(dir, "deno"));
  await Deno.copyFile(helper, join(dir, HELPER_NAME));
  for (const name of [APP, "deno", HELPER_NAME]) await Deno.chmod(join(dir, name), 0o755);
  await Deno.chmod(join(dir, LICENSES_FILE), 0o644);
  for await (const { name } of Deno.readDir(join(dir, APP))) {
    await Deno.chmod(join(dir, APP, name), 0o644);
  }
  const timeless = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const tar = await run("tar", ["--format=ustar", ...timeless, "-cf", "-", ...FILES], dir);
  return gzipSync(tar, { level: 6 });
}

/** The helper lies beside the bundle's folder, which looks for it there (sandbox/native.ts). */
const HELPER_NAME = basename(HELPER);
const APP = "app";
const FILES = [APP, "deno", HELPER_NAME, LICENSES_FILE];

/** The sh stub, as long as its own line count says. */
function stub(archiveDigest: string, appDigest: string): string {
  const text = `#!/bin/sh
# Khachapuri ${manifest.version}: a shell stub, then a tar.gz with the program and its runtime.
set -eu
umask 077
digest=${archiveDigest}
base="\${XDG_CACHE_HOME:-\${HOME:?set HOME or XDG_CACHE_HOME}/.cache}/khachapuri"
dir="$base/$digest"
fail() {
  echo "khachapuri: $1" >&2
  exit 1
}
first=
if [ ! -e "$dir" ]; then
  first=yes
  mkdir -p "$base"
  fresh=$(mktemp -d "$base/.fresh.XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  trap 'exit 1' HUP INT TERM
  tail -n +@LINES@ -- "$0" >"$fresh/archive"
  echo "$digest  $fresh/archive" | sha256sum -c --status || fail "$0 is damaged: fetch it again"
  tar -xzf "$fresh/archive" -C "$fresh"
  "$fresh/deno" --version >/dev/null 2>&1 ||
    fail "this file cannot run on $(uname -sm): there is one for Linux (glibc) on x86_64 and aarch64"
  rm "$fresh/archive"
  # Whoever runs from here holds this file, so that no other version removes it (unpacked.ts).
  : >"$fresh/in-use"
  # Programs may run under another uid, whose sandbox begins with this file.
  chmod 755 "$fresh/${HELPER_NAME}"
  # Another first start may have won the race: its files are the same.
  mv -T "$fresh" "$dir" 2>/dev/null || [ -d "$dir" ]
  rm -rf "$fresh"
  trap - EXIT HUP INT TERM
fi
[ ! -L "$dir" ] && [ "$(stat -c %u:%a "$dir")" = "$(id -u):700" ] ||
  fail "$dir is not ours alone: remove it"
found=$(
  LC_ALL=C
  cd "$dir/${APP}" && sha256sum -- * | sha256sum
) || :
[ "\${found%% *}" = ${appDigest} ] || fail "$dir is damaged: remove it"
export DENO_DIR="$dir/cache" DENO_NO_UPDATE_CHECK=1
# A successor is started from the same file (khachapuri reload, upgrade).
KHACHAPURI_FILE=$(readlink -f -- "$0")
export KHACHAPURI_FILE
start() {
  exec "$dir/deno" run --quiet --no-config --no-lock --no-prompt --no-remote --no-npm \\
    --cached-only --unstable-no-legacy-abort --unstable-lazy-dynamic-imports \\
    ${V8_FLAGS} \\
    ${permissions(`"$dir/${HELPER_NAME}"`).join(" ")} \\
    "$dir/${APP}/main.js" "$@"
}
# What V8 makes of the code is kept for later: a provider that had to compile it held more for good.
[ -z "$first" ] || (start help serve) </dev/null >/dev/null 2>&1 || :
start "$@"
`;
  return text.replace("@LINES@", String(text.split("\n").length));
}

/** What was built. */
export interface Packaged {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
  /** The npm packages that are in it, `name@version`. */
  readonly packages: readonly string[];
}

/** Builds the file. */
export async function buildPackage(path: string, parts?: Parts): Promise<Packaged> {
  const dir = await Deno.makeTempDir();
  try {
    const used = parts ?? await partsHere();
    const app = join(dir, APP);
    await bundle(app, { ...factsModule(used.baked), ...used.replacements });
    const files = await readBundle(app);
    const packages = allPackages(packagesIn(files.values()));
    const licenses = await collectLicenses(packages);
    await Deno.writeTextFile(join(dir, LICENSES_FILE), JSON.stringify(licenses));
    const archive = await payload(dir, used);
    const head = new TextEncoder().encode(stub(sha256(archive), bundleDigest(files)));
    const file = Buffer.concat([head, archive]);
    await Deno.writeFile(path, file);
    await Deno.chmod(path, 0o755);
    return { bytes: file.length, sha256: sha256(file), packages };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

if (import.meta.main) {
  const path = Deno.args[0] ?? join("dist", "khachapuri");
  if (Deno.args[0] === undefined) await Deno.mkdir("dist", { recursive: true });
  const { bytes, sha256: digest } = await buildPackage(path);
  print(`${path}  ${(bytes / 1e6).toFixed(1)} MB  sha256 ${digest}`);
}
