/** The licences of all that is in a build: texts are collected, and a missing one is a failure. */
import { join } from "node:path";
import manifest from "../../deno.json" with { type: "json" };
import type { License } from "../../lib/release/licenses.ts";
import { DENO_VERSION } from "./architectures.ts";

const ROOT = join(import.meta.dirname!, "../..");
const PACKAGES = join(ROOT, "node_modules/.deno");
const NOTICES = join(import.meta.dirname!, "notices");
const LICENSE_FILE = /^(?:licen[cs]e|copying|notice)\b/i;
/** The heading of the chapter in which packages of a few files have the whole text. */
const LICENSE_HEADING = /^(?:#+ *licen[cs]e|licen[cs]e\n-+) *$/im;
const NEXT_CHAPTER = /\n(?:#|\[)/;
const GRANT = /permission is hereby granted|redistribution and use in source/i;

/** In the byte code of contracts, which the bundle carries: no module's comment names them. */
export const IN_BYTE_CODE: readonly string[] = ["@openzeppelin/contracts"];

/** Packages that bring no text, why, and the text that stands for it. */
const WITHOUT_TEXT: Readonly<Record<string, { why: string; file: string }>> = {
  "@multiformats/murmur3": {
    why: "offered under Apache-2.0 or MIT and published without a text; taken under Apache-2.0",
    file: join(ROOT, "LICENSE"),
  },
  "@openzeppelin/contracts": {
    why: "published to npm without the text that its repository has",
    file: join(NOTICES, "openzeppelin.txt"),
  },
};

/** Where a system with musl's compiler has its notice: Debian, and those that keep to its name. */
const MUSL_NOTICES = ["/usr/share/doc/musl-dev/copyright", "/usr/share/licenses/musl/COPYRIGHT"];

/** `name` and `version` of `name@version`. */
export function nameAndVersion(text: string): { name: string; version: string } {
  const at = text.lastIndexOf("@");
  return { name: text.slice(0, at), version: text.slice(at + 1) };
}

/** Those of a bundle, and those in the byte code that it carries. */
export function allPackages(inBundle: readonly string[]): string[] {
  const imports: Readonly<Record<string, string>> = manifest.imports;
  const more = IN_BYTE_CODE.map((name) => imports[name]!.slice("npm:".length));
  return [...new Set([...inBundle, ...more])].sort();
}

/**
 * The licences of our own sources, of these packages, and of the runtime and C library beside them.
 * @param packages `name@version`
 * @param packagesDir where they are installed
 * @throws Error that names every package without a text
 */
export async function collectLicenses(
  packages: readonly string[],
  packagesDir: string = PACKAGES,
): Promise<License[]> {
  const missing: string[] = [];
  const others: License[] = [];
  for (const each of packages) {
    const found = await licenseOf(each, packagesDir);
    if (found) others.push(found);
    else missing.push(each);
  }
  if (missing.length > 0) {
    throw new Error(`no licence text of ${missing.join(", ")}: see ${import.meta.filename}`);
  }
  return [await ours(), ...await runtime(), await musl(), ...others];
}

async function ours(): Promise<License> {
  const text = await Deno.readTextFile(join(ROOT, "LICENSE"));
  return { name: "khachapuri", version: manifest.version, license: manifest.license, text };
}

async function licenseOf(each: string, packagesDir: string): Promise<License | null> {
  const { name, version } = nameAndVersion(each);
  const folder = await folderOf(each, packagesDir);
  if (!folder) return null;
  const dir = join(packagesDir, folder, "node_modules", name);
  const { license } = JSON.parse(await Deno.readTextFile(join(dir, "package.json")));
  const files: string[] = [];
  for await (const entry of Deno.readDir(dir)) {
    if (entry.isFile && LICENSE_FILE.test(entry.name)) files.push(join(dir, entry.name));
  }
  const standIn = WITHOUT_TEXT[name];
  if (files.length === 0 && standIn) {
    const text = `${name} is ${standIn.why}.\n\n${await Deno.readTextFile(standIn.file)}`;
    return { name, version, license, text };
  }
  if (typeof license !== "string") return null;
  if (files.length === 0) {
    const text = await chapterOf(join(dir, "README.md"));
    return text ? { name, version, license, text } : null;
  }
  const texts = await Promise.all(files.sort().map((path) => Deno.readTextFile(path)));
  return { name, version, license, text: texts.map((text) => text.trim()).join("\n\n") + "\n" };
}

/** The licence as a README tells it, if it grants anything there and does not only name one. */
async function chapterOf(readme: string): Promise<string | null> {
  const text = await Deno.readTextFile(readme).catch(() => "");
  const [, after] = text.split(LICENSE_HEADING);
  const chapter = after?.split(NEXT_CHAPTER).at(0)?.trim();
  return chapter && GRANT.test(chapter) ? chapter + "\n" : null;
}

/** A package's folder is named by its version, and by its peers where it has some. */
async function folderOf(each: string, packagesDir: string): Promise<string | null> {
  const plain = each.replace("/", "+");
  const names: string[] = [];
  for await (const { name } of Deno.readDir(packagesDir)) {
    if (name === plain || name.startsWith(`${plain}_`)) names.push(name);
  }
  return names.sort()[0] ?? null;
}

async function runtime(): Promise<License[]> {
  const note = "Deno is built of V8, whose licence follows, and of the Rust crates that its " +
    `Cargo.lock names at the tag v${DENO_VERSION}\n(https://github.com/denoland/deno); it ` +
    "publishes their notices with its sources, not with the executable that is in this file.\n";
  const text = await Deno.readTextFile(join(NOTICES, "deno.txt"));
  return [
    { name: "deno", version: DENO_VERSION, license: "MIT", text: `${text.trimEnd()}\n\n${note}` },
    {
      name: "v8",
      version: Deno.version.v8,
      license: "BSD-3-Clause",
      text: await Deno.readTextFile(join(NOTICES, "v8.txt")),
    },
  ];
}

/** The C library in the sandbox's helper. */
async function musl(): Promise<License> {
  for (const path of MUSL_NOTICES) {
    const text = await Deno.readTextFile(path).catch(() => null);
    if (text) return { name: "musl", version: "of the sandbox's helper", license: "MIT", text };
  }
  throw new Error(`no licence text of musl: it is looked for in ${MUSL_NOTICES.join(", ")}`);
}
