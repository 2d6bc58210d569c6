/**
 * What is in a package, as CycloneDX 1.6 (ECMA-424) says it: the npm packages whose code is in the
 * bundle, with who depends on whom by deno.lock, the runtime, and the helper's C library.
 */
import { createHash } from "node:crypto";
import type { License } from "../../lib/release/licenses.ts";
import type { Architecture } from "./architectures.ts";
import { nameAndVersion } from "./licenses.ts";

/** Of deno.lock, what is used here. */
export interface Lock {
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
}

export interface Contents {
  readonly version: string;
  readonly architecture: Architecture;
  /** Of the packaged file; hex. */
  readonly sha256: string;
  /** 40 hex digits. */
  readonly commit: string;
  /** Of the commit; Unix seconds. */
  readonly timestamp: number;
  /** `name@version` of the npm packages. */
  readonly packages: readonly string[];
  readonly licenses: readonly License[];
  /** The compiler of the helper and its C library, as they call themselves. */
  readonly compiler: Compiler;
  /** Of the runtime. */
  readonly denoVersion: string;
  readonly lock: Lock;
}

export interface Compiler {
  /** First line of `--version`. */
  readonly name: string;
  /** Debian's version of musl. */
  readonly musl: string;
}

type Json = Record<string, unknown>;

/** purl of an npm package (https://github.com/package-url/purl-spec); "@" of a scope is escaped. */
function purlOf(each: string): string {
  const { name, version } = nameAndVersion(each);
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** Subresource Integrity as CycloneDX has hashes. */
function hashOf(integrity: string): Json {
  const [algorithm, base64] = integrity.split("-");
  const alg = { sha512: "SHA-512", sha1: "SHA-1" }[algorithm!];
  return { alg, content: Uint8Array.fromBase64(base64!).toHex() };
}

function licensesOf({ license }: License): Json[] {
  return [
    / (?:OR|AND|WITH) /.test(license) ? { expression: license } : { license: { id: license } },
  ];
}

/** The CycloneDX document as text; the same contents give the same text. */
export function sbomOf(contents: Contents): string {
  const { version, architecture, commit, timestamp, packages, compiler } = contents;
  const own = `pkg:generic/khachapuri@${version}?arch=${architecture.name}&os=linux`;
  const parts = [...packages.map((each) => npmComponent(each, contents)), ...others(contents)];
  const document: Json = {
    metadata: {
      timestamp: new Date(timestamp * 1_000).toISOString(),
      component: {
        type: "application",
        "bom-ref": own,
        name: "khachapuri",
        version,
        purl: own,
        licenses: licensesOf(licenseNamed("khachapuri", contents)),
        hashes: [{ alg: "SHA-256", content: contents.sha256 }],
      },
      properties: [
        { name: "khachapuri:commit", value: commit },
        { name: "khachapuri:compiler", value: compiler.name },
      ],
    },
    components: parts,
    dependencies: dependenciesOf(own, parts.map((part) => String(part["bom-ref"])), contents),
  };
  const format = { bomFormat: "CycloneDX", specVersion: "1.6" };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(document))}`;
  return `${JSON.stringify({ ...format, serialNumber, version: 1, ...document }, null, 2)}\n`;
}

function licenseNamed(name: string, { licenses }: Contents, version?: string): License {
  const found = licenses.find((each) =>
    each.name === name && (version === undefined || each.version === version)
  );
  if (!found) throw new Error(`no licence of ${name}`);
  return found;
}

function npmComponent(each: string, contents: Contents): Json {
  const { name, version } = nameAndVersion(each);
  const [, entry] = lockEntry(each, contents.lock);
  return {
    type: "library",
    "bom-ref": purlOf(each),
    name,
    version,
    purl: purlOf(each),
    licenses: licensesOf(licenseNamed(name, contents, version)),
    hashes: [hashOf(entry.integrity)],
  };
}

/** The lock names a package by its peers, too, where it has some: `name@version_peer@version`. */
function lockEntry(each: string, { npm }: Lock): [string, Lock["npm"][string]] {
  const found = Object.entries(npm).find(([key]) => key === each || key.startsWith(`${each}_`));
  if (!found) throw new Error(`${each} is not in deno.lock`);
  return found;
}

function others(contents: Contents): Json[] {
  const { architecture, denoVersion, compiler } = contents;
  const deno = purlOf(`${architecture.denoPackage}@${denoVersion}`);
  const v8 = licenseNamed("v8", contents);
  return [
    {
      type: "platform",
      "bom-ref": deno,
      name: "deno",
      version: denoVersion,
      purl: deno,
      licenses: licensesOf(licenseNamed("deno", contents)),
      hashes: [hashOf(architecture.integrity)],
    },
    {
      type: "library",
      "bom-ref": "v8",
      name: "v8",
      version: v8.version,
      licenses: licensesOf(v8),
    },
    {
      type: "library",
      "bom-ref": "musl",
      name: "musl",
      version: compiler.musl,
      purl: `pkg:deb/debian/musl@${encodeURIComponent(compiler.musl)}`,
      licenses: licensesOf(licenseNamed("musl", contents)),
    },
  ];
}

/** Of deno.lock's graph the part between packages that are inside. */
function dependenciesOf(own: string, refs: readonly string[], contents: Contents): Json[] {
  const { packages, lock } = contents;
  const inside = new Map(packages.map((each) => [lockEntry(each, lock)[0], purlOf(each)]));
  const among = packages.map((each) => {
    const [, { dependencies = [] }] = lockEntry(each, lock);
    const keys = dependencies.map((name) => keyOf(name, lock));
    const dependsOn = keys.flatMap((key) => key !== null ? inside.get(key) ?? [] : []);
    return { ref: purlOf(each), dependsOn: [...new Set(dependsOn)].sort() };
  });
  const needed = new Set(among.flatMap(({ dependsOn }) => dependsOn));
  const runtime = refs.find((ref) => ref.includes("%40deno/"))!;
  const direct = refs.filter((ref) => !needed.has(ref) && ref !== "v8").sort();
  return [
    { ref: own, dependsOn: direct },
    ...among,
    { ref: runtime, dependsOn: ["v8"] },
    { ref: "v8", dependsOn: [] },
    { ref: "musl", dependsOn: [] },
  ];
}

/** A dependency stands in the lock with its version only where there are several. */
function keyOf(name: string, { npm }: Lock): string | null {
  if (Object.hasOwn(npm, name)) return name;
  const keys = Object.keys(npm).filter((key) => key.startsWith(`${name}@`));
  return keys.length === 1 ? keys[0]! : null;
}

/** A UUID of version 8 (RFC 9562) that follows from the contents. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return [...parts, hex.slice(20, 32)].join("-");
}
