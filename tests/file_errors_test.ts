/**
 * What the file system refuses, at every option and argument of every command that names a file or
 * a folder: found from the command table, so that a new one is tried without being listed here.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runCli } from "../lib/cli/cli.ts";
import type { Command, CommandEntry } from "../lib/cli/command.ts";
import { optionsOf } from "../lib/cli/arguments.ts";
import { COMMANDS } from "../lib/cli/table.ts";
import type { World } from "../lib/cli/world.ts";
import { makeFolder } from "../worlds/home.ts";

const samples = new URL("../samples/", import.meta.url).pathname;
const PLACES = /^(?:FILE|DIR|PATH)$/;

/** Paths that can be neither read as a file nor written, by what is wrong with them. */
async function badPaths(dir: string): Promise<Record<string, string>> {
  await Deno.mkdir(join(dir, "folder"));
  await Deno.writeTextFile(join(dir, "folder/kept"), "");
  await Deno.writeTextFile(join(dir, "file"), "text");
  await Deno.symlink("loop", join(dir, "loop"));
  await Deno.symlink("none/none", join(dir, "dangling"));
  return {
    "a folder": join(dir, "folder"),
    "missing, as is its folder": join(dir, "none/none"),
    "below a file": join(dir, "file/x"),
    "a link to nothing": join(dir, "dangling"),
    "a circle of links": join(dir, "loop"),
    "too long": join(dir, "n".repeat(300)),
    "of the system": "/proc/1/environ",
  };
}

interface Told {
  code: number;
  stderr: string;
}

/** One command line, in this process, without a terminal. */
async function told(home: string, args: readonly string[]): Promise<Told> {
  let stderr = "";
  const sink = (keep: (text: string) => void) => ({
    write: (bytes: Uint8Array) => keep(new TextDecoder().decode(bytes)),
    isTerminal: () => false,
  });
  const world: World = {
    args,
    stdin: { readable: new Blob().stream(), isTerminal: () => false },
    stdout: sink(() => {}),
    stderr: sink((text) => stderr += text),
    env: (name) => ({ KHACHAPURI_HOME: home } as Record<string, string>)[name],
    ask: () => Promise.reject(new Error("nothing is asked")),
    // What would go on until it is stopped, as it takes what it was given, ends at once.
    stopSignal: () => AbortSignal.abort(),
    onHangUp() {},
  };
  const code = await runCli(world);
  return { code, stderr };
}

/** What has to stand beside an option so that its file is looked at. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  run: [join(samples, "hello"), "/"],
  dev: [join(samples, "hello")],
  deploy: [join(samples, "hello"), "--provider", "a.eth", "--kubo", "http://127.0.0.1:1"],
  "verify-receipt": [join(samples, "hello/main")],
  register: ["a.eth"],
  init: [
    "--provider",
    "a.eth",
    "--domain",
    "https://a.example",
    "--price",
    "1",
    "--address",
    "new",
  ],
  revoke: ["a.eth"],
  reclaim: ["a.eth"],
  withdraw: ["all"],
};

/** Command lines that name `path` in every place that a command has for one. */
function linesWith(entry: CommandEntry, command: Command, path: string): Record<string, string[]> {
  const lines: Record<string, string[]> = {};
  const beside = BESIDE[entry.name] ?? [];
  for (const [name, option] of Object.entries(optionsOf(command))) {
    if (option.type !== "string" || !PLACES.test(option.value)) continue;
    lines[`${entry.name} --${name}`] = [entry.name, `--${name}=${path}`, ...beside];
  }
  if (/^(?:\[flags\] )?(?:DIR|FILE)/.test(command.usage)) {
    lines[`${entry.name} FILE`] = [entry.name, path, ...beside.slice(1)];
  }
  return lines;
}

const isOurs = ({ code, stderr }: Told) => code !== 1 && !stderr.includes("(internal)");

Deno.test("every place for a file says what is wrong with the one it is given", async () => {
  await using folder = await makeFolder();
  const bad = await badPaths(folder.dir);
  const wrong: string[] = [];
  const named = new Set<string>();
  for (const entry of COMMANDS) {
    const command = await entry.load();
    for (const [kind, path] of Object.entries(bad)) {
      for (const [place, line] of Object.entries(linesWith(entry, command, path))) {
        await using home = await makeFolder();
        const answer = await told(join(home.dir, "home"), line);
        if (!isOurs(answer)) wrong.push(`${place}, ${kind}: ${answer.code} ${answer.stderr}`);
        if (answer.stderr.includes(path)) named.add(place);
      }
    }
  }
  assert.deepEqual(wrong, []);
  // Those that come before a chain is asked; behind one stand the others (tests/exit_test.ts).
  const reached = [
    "run --env-file",
    "run FILE",
    "dev --env-file",
    "dev FILE",
    "relay FILE",
    "verify-receipt FILE",
  ];
  for (const place of reached) assert(named.has(place), `${place} names its file`);
});

Deno.test("every place for a file in curl's flags says what is wrong with the one it is given", async () => {
  await using folder = await makeFolder();
  const bad = await badPaths(folder.dir);
  const reading = (path: string) => [
    ["-d", `@${path}`],
    ["--data-binary", `@${path}`],
    ["--data-urlencode", `n@${path}`],
    ["--url-query", `n@${path}`],
    ["--json", `@${path}`],
    ["-F", `f=@${path}`],
    ["-F", `f=<${path}`],
    ["-H", `@${path}`],
    ["-T", path],
    ["-w", `@${path}`],
  ];
  const writing = (path: string) => [["-o", path], ["-D", path], ["--output-dir", path, "-o", "x"]];
  for (const [kind, path] of Object.entries(bad)) {
    for (const flags of [...reading(path), ...writing(path)]) {
      // A folder to put the output into is what is asked for.
      if (kind === "a folder" && flags[0] === "--output-dir") continue;
      const line = ["run", join(samples, "hello"), ...flags, "/"];
      const answer = await told(folder.dir, line);
      // Run with every permission there is, as some do, a test may read what belongs to the system.
      if (kind === "of the system" && answer.code === 0) continue;
      assert(isOurs(answer) && answer.code !== 0, `${flags}, ${kind}: ${JSON.stringify(answer)}`);
      assert(answer.stderr.includes(path), `${flags}, ${kind}: ${answer.stderr}`);
      assert.match(answer.stderr, /\n {2}\S/, "with what to do");
    }
  }
});

Deno.test("a home whose files are something else is told by the file", async () => {
  for (const name of ["config.json", "keys.json", "permits.json", "deployments.json"]) {
    for (const make of [Deno.mkdir, (path: string) => Deno.symlink(path, path)]) {
      await using home = await makeFolder();
      await make(join(home.dir, name));
      for (
        const line of [["resolve", "a.eth"], ["deployments"], ["balance"], ["serve"], ["doctor"]]
      ) {
        const answer = await told(home.dir, line);
        assert(isOurs(answer), `${name}, ${line}: ${JSON.stringify(answer)}`);
      }
    }
  }
  await using home = await makeFolder();
  await Deno.mkdir(join(home.dir, "config.json"));
  const { code, stderr } = await told(home.dir, ["resolve", "a.eth"]);
  assert.equal(code, 3);
  assert.match(stderr, /config\.json can't be read: it is a folder \(file_unusable\)/);
});
