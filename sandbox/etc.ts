/**
 * The /etc that programs see: one folder, so that it costs one mount. The kernel copies every mount
 * into every run's namespace (`deno task bench sandbox`, row "khachapuri, whole request").
 *
 * What names people, hosts or this machine is made up (etc_tables.ts). What packages install for
 * interpreters and libraries to read is copied. What administrators write for logins, daemons and
 * tools of their own is not there: tokens stand in some of it.
 */
import { join } from "node:path";
import { isVisible, settleLinks } from "./etc_links.ts";
import { markOfCopy, markOfMachine } from "./etc_mark.ts";
import { NAME_TABLES, NAMES_FOLDER, TABLE_LINKS, TABLES } from "./etc_tables.ts";

/** Below /etc; `*` stands for any part of a name. */
export const COPIED: readonly string[] = [
  // Numbers and kinds that programs look up by name.
  "services",
  "protocols",
  "rpc",
  "ethertypes",
  "mime.types",
  "mailcap",
  "magic",
  "magic.mime",
  "papersize",
  "paperspecs",
  "locale.alias",
  "gai.conf",
  "os-release",
  "lsb-release",
  "*_version",
  "*-release",
  // Shared libraries.
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "ld-musl-*.path",
  "alternatives",
  // TLS: what is trusted, and how it is spoken. Never /etc/ssl/private.
  "ssl/certs",
  "ssl/cert.pem",
  "ssl/openssl.cnf",
  "ssl/ct_log_list.cnf",
  "ca-certificates",
  "ca-certificates.conf",
  "pki/tls/certs",
  "pki/tls/cert.pem",
  "pki/tls/openssl.cnf",
  "pki/tls/openssl.d",
  "pki/tls/ct_log_list.cnf",
  "pki/ca-trust/extracted",
  "pki/java",
  "crypto-policies",
  "gnutls",
  // Interpreters. Of PHP what its command line and its CGI read, as pools of daemons hold secrets.
  "java",
  "java-*",
  "perl",
  "python*",
  "php.ini",
  "php.d",
  "php/*/cli",
  "php/*/cgi",
  "php/*/mods-available",
  "R",
  "lua",
  "julia",
  "octave.conf",
  "erlang",
  "guile*",
  "mono",
  "dotnet",
  "racket",
  "maven/m2.conf",
  "maven/logging",
  // Text, fonts, pictures and documents.
  "fonts",
  "pango",
  "ImageMagick*",
  "GraphicsMagick*",
  "ghostscript",
  "groff",
  "asciidoc",
  "enscript.cfg",
  "libreoffice",
  "lynx/lynx.cfg",
  "lynx/lynx.lss",
  "manpath.config",
  "texmf",
  "xml",
  "sgml",
  "dictionaries-common",
  "xpdfrc",
  "X11/rgb.txt",
  "poppler",
  "OpenCL",
  "glvnd",
  "vulkan",
  // Terminals.
  "terminfo",
  "inputrc",
  "screenrc",
];

/** Debian makes this certificate for itself: the machine's name stands in it. */
const NEVER = /^ssl-cert-snakeoil/;

const PATHS = COPIED.map((path) => path.split("/"));

/** What a copy follows from besides the machine's files; the number counts ways of making it. */
const RECIPE = JSON.stringify([1, COPIED, NEVER.source, TABLES, NAME_TABLES, TABLE_LINKS]);

/**
 * Makes `folder`, or leaves it as an earlier start made it where a new one would be the same:
 * copying a thousand files takes longer than all else that a start does. What not everybody on
 * this machine may read is left out, as every program may read the copy; so are links to what is
 * left out. Nothing else goes on as a provider starts, so each call waits for the one before:
 * hundreds of promises at once (/etc/ssl/certs) make V8 grow its young generation, which a provider
 * then keeps (`deno task bench hot`, "idle RSS").
 * @returns `folder`
 */
export function makeEtc(folder: string, root = "/etc"): string {
  const mark = `${folder}.mark`;
  const machine = seen(() => markOfMachine(root, (path) => howMuch(path)));
  const whole = () => JSON.stringify([RECIPE, machine, seen(() => markOfCopy(folder))]);
  const known = seen(() => Deno.readTextFileSync(mark));
  if (known !== null && known === whole()) return folder;
  // A copy without its mark is made again; the machine's is of the time before it was copied.
  remove(mark);
  copyEtc(folder, root);
  if (machine !== null) Deno.writeTextFileSync(mark, whole());
  return folder;
}

/** null when it is not there. */
function seen(look: () => string): string | null {
  try {
    return look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** How much of what lies at a path is copied. */
function howMuch(path: readonly string[]): "all" | "some" | "none" {
  const along = PATHS.filter((listed) =>
    listed.every((part, at) => at >= path.length || matches(path[at]!, part))
  );
  if (along.some(({ length }) => length <= path.length)) return "all";
  return along.length > 0 ? "some" : "none";
}

/** In place of what an earlier start left there. */
function copyEtc(folder: string, root: string): void {
  const fresh = `${folder}.fresh`;
  remove(fresh);
  makeFolder(fresh);
  copyListed(root, fresh, PATHS);
  for (const [name, text] of Object.entries(TABLES)) writeOpen(join(fresh, name), text);
  makeFolder(join(fresh, "names"));
  for (const [kind, tables] of Object.entries(NAME_TABLES)) {
    makeFolder(join(fresh, "names", kind));
    for (const [name, text] of Object.entries(tables)) {
      writeOpen(join(fresh, "names", kind, name), text);
    }
  }
  settleLinks({ copy: fresh, root });
  for (const [name, target] of Object.entries(TABLE_LINKS)) {
    if (isVisible(target)) Deno.symlinkSync(target, join(fresh, name));
  }
  for (const name of Object.keys(NAME_TABLES.none)) {
    Deno.symlinkSync(`${NAMES_FOLDER}/${name}`, join(fresh, name));
  }
  remove(folder);
  Deno.renameSync(fresh, folder);
}

/** Copies what `paths` name in `from`, and makes only the folders in which there is something. */
function copyListed(from: string, to: string, paths: readonly string[][]): void {
  for (const name of namesIn(from)) {
    const below = paths.filter(([part]) => matches(name, part!)).map((path) => path.slice(1));
    if (below.some((path) => path.length === 0)) copy(join(from, name), join(to, name));
    else if (below.length > 0) {
      const info = Deno.lstatSync(join(from, name));
      if (!info.isDirectory || !isOpen(info)) continue;
      makeFolder(join(to, name));
      copyListed(join(from, name), join(to, name), below);
      if (namesIn(join(to, name)).length === 0) Deno.removeSync(join(to, name));
    }
  }
}

function matches(name: string, part: string): boolean {
  const [head, tail] = part.split("*") as [string, string?];
  if (tail === undefined) return name === head;
  return name.length >= part.length - 1 && name.startsWith(head) && name.endsWith(tail);
}

function copy(from: string, to: string): void {
  const info = Deno.lstatSync(from);
  if (NEVER.test(from.split("/").at(-1)!)) return;
  if (info.isSymlink) return Deno.symlinkSync(Deno.readLinkSync(from), to);
  if (!isOpen(info)) return;
  if (info.isFile) return writeOpen(to, Deno.readFileSync(from));
  if (!info.isDirectory) return;
  makeFolder(to);
  for (const name of namesIn(from)) copy(join(from, name), join(to, name));
}

function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name);
}

/** Whether everybody on this machine may read it. */
function isOpen({ isDirectory, mode }: Deno.FileInfo): boolean {
  const needed = isDirectory ? 0o005 : 0o004;
  return ((mode ?? 0) & needed) === needed;
}

/** Open for everybody whatever our umask is, as programs read it under another uid. */
function writeOpen(path: string, content: string | Uint8Array): void {
  if (typeof content === "string") Deno.writeTextFileSync(path, content);
  else Deno.writeFileSync(path, content);
  Deno.chmodSync(path, 0o644);
}

/** As open; one folder at a time, as what is made on the way to another would keep our umask. */
function makeFolder(path: string): void {
  Deno.mkdirSync(path);
  Deno.chmodSync(path, 0o755);
}

function remove(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
