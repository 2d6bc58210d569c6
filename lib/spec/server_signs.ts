/** What of a program's folder speaks for a web server, for its developer to be told. */
import { join } from "node:path";

/** Of a file so much is looked at. */
const LOOKED_AT_BYTES = 64 * 1024;

/** Packages that are nothing but servers. */
const NODE_SERVERS: readonly string[] = [
  "express",
  "fastify",
  "koa",
  "hono",
  "next",
  "@hapi/hapi",
  "@nestjs/core",
];

/** What servers are called by custom, or found by. */
const FILES: readonly string[] = [
  ...["app.py", "main.py", "server.py", "wsgi.py", "asgi.py"],
  ...["server.js", "server.mjs", "server.ts"],
];

const SOURCES: readonly RegExp[] = [
  /^[ \t]*(?:from|import)[ \t]+(flask|fastapi|django|starlette|sanic|quart|bottle|tornado\.web)\b/m,
  /^[ \t]*from[ \t]+(aiohttp)[ \t]+import[ \t]+web\b/m,
  /\b(?:require\(|from )["'](express|fastify|koa|hono|@hapi\/hapi)["']/,
  /\b(Deno\.serve|createServer|serve_forever)\b/,
  /\b(gunicorn|uvicorn|hypercorn|waitress-serve)\b/,
];

/** A print of a field and an empty line, in the languages of scripts. */
const CGI_PRINT =
  /^[^#\n]*\b(?:echo|printf?|puts|write|log)\b[ \t(]*(?:-\w+[ \t]+)?[bf]?["']?Content-Type:/im;

/** Frameworks can answer as CGI programs, too. */
const CGI = /\bCGIHandler\b/;

/**
 * @param dir a program's folder
 * @param entrypoint relative to it
 * @returns in words; null when nothing does
 */
export async function serverSign(dir: string, entrypoint: string): Promise<string | null> {
  const dependency = packageSign(await textOf(join(dir, "package.json")));
  if (dependency !== null) return `package.json ${dependency}`;
  for (const name of new Set([entrypoint.replace(/^(\.\/)+/, ""), ...FILES])) {
    const sign = sourceSign(await textOf(join(dir, name)));
    if (sign !== null) return `${name} uses ${sign}`;
  }
  return null;
}

/** What a program's own text uses of a server; null: nothing that is known. */
export function sourceSign(text: string): string | null {
  if (CGI.test(text)) return null;
  for (const pattern of SOURCES) {
    const [, name] = pattern.exec(text) ?? [];
    if (name !== undefined) return name;
  }
  return null;
}

/**
 * Whether a script prints the head of an answer as CGI programs do, and uses nothing of a server's:
 * it is started for each request, and does not listen.
 * @param dir a program's folder
 * @param entrypoint relative to it
 */
export async function isCgiScript(dir: string, entrypoint: string): Promise<boolean> {
  const text = await textOf(join(dir, entrypoint));
  return text.startsWith("#!") && CGI_PRINT.test(text) && sourceSign(text) === null;
}

/** What of a package.json is a server's; null: nothing that is known. */
export function packageSign(text: string): string | null {
  const { dependencies, scripts } = packageOf(text);
  const server = NODE_SERVERS.find((name) => Object.hasOwn(dependencies, name));
  if (server !== undefined) return `depends on ${server}`;
  const [, file] = /\b(server\.[cm]?[jt]s)\b/.exec(String(scripts["start"] ?? "")) ?? [];
  return file === undefined ? null : `starts ${file}`;
}

/** It is the developer's: whatever it may hold, it is only looked at. */
function packageOf(text: string): Record<"dependencies" | "scripts", Record<string, unknown>> {
  const isTable = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;
  const table = (value: unknown) => isTable(value) ? value : {};
  try {
    const json = table(JSON.parse(text));
    return { dependencies: table(json["dependencies"]), scripts: table(json["scripts"]) };
  } catch {
    return { dependencies: {}, scripts: {} };
  }
}

/** The beginning of a text; "" for what is none, or not there. */
async function textOf(path: string): Promise<string> {
  const isFile = await Deno.stat(path).then((info) => info.isFile, () => false);
  if (!isFile) return "";
  using file = await Deno.open(path);
  const buffer = new Uint8Array(LOOKED_AT_BYTES);
  const head = buffer.subarray(0, await file.read(buffer) ?? 0);
  return head.includes(0) ? "" : new TextDecoder().decode(head);
}
