import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../worlds/home.ts";
import { PROGRAM_ENTRIES_MAX } from "../limits.ts";
import { unpackProgram } from "./unpack.ts";
import { packProgram } from "./pack.ts";
import { listProgram } from "./program_listing.ts";
import { readZip } from "./zip_reader.ts";

/** A folder as `npm install` leaves it, made in the order that is asked for. */
async function npmProgram(dir: string, isBackwards = false): Promise<void> {
  const files: [string, string, number][] = [
    ["main", "#!/usr/bin/env node\nrequire('tool');\n", 0o755],
    ["package.json", "{}", 0o644],
    ["node_modules/tool/bin/cli.js", "require('../lib')", 0o755],
    ["node_modules/tool/lib/index.js", "", 0o644],
    ["packages/own/index.js", "", 0o644],
    ["with space/ხაჭა პური", "", 0o644],
  ];
  const links: [string, string][] = [
    ["node_modules/.bin/tool", "../tool/bin/cli.js"],
    ["node_modules/own", "../packages/own"],
  ];
  const write = async ([path, text, mode]: [string, string, number]) => {
    await Deno.mkdir(join(dir, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir, path), text, { mode });
  };
  const link = async ([path, to]: [string, string]) => {
    await Deno.mkdir(join(dir, path, ".."), { recursive: true });
    await Deno.symlink(to, join(dir, path));
  };
  const empty = () => Deno.mkdir(join(dir, "repo.git/refs/heads"), { recursive: true });
  const steps = [
    ...files.map((file) => () => write(file)),
    ...links.map((each) => () => link(each)),
    empty,
  ];
  for (const step of isBackwards ? steps.toReversed() : steps) await step();
}

Deno.test("an npm program keeps its links, its empty folders and its modes, and its cid", async () => {
  await using folder = await makeFolder();
  const [one, two, out] = ["one", "two", "out"].map((name) => join(folder.dir, name)) as [
    string,
    string,
    string,
  ];
  await npmProgram(one);
  await npmProgram(two, true);
  const zip = await packProgram(one);
  assert.deepEqual(await packProgram(two), zip);
  await unpackProgram(zip, out);
  const bin = join(out, "node_modules/.bin/tool");
  assert.equal(await Deno.readLink(bin), "../tool/bin/cli.js");
  assert.equal(
    await Deno.realPath(bin),
    await Deno.realPath(join(out, "node_modules/tool/bin/cli.js")),
  );
  assert.equal((await Deno.stat(bin)).mode! & 0o777, 0o755);
  assert.ok((await Deno.stat(join(out, "node_modules/own/index.js"))).isFile);
  assert.ok((await Deno.stat(join(out, "repo.git/refs/heads"))).isDirectory);
  assert.ok((await Deno.stat(join(out, "with space/ხაჭა პური"))).isFile);
  // Packed again it is the same program.
  assert.deepEqual(await packProgram(out), zip);
});

Deno.test("only folders with nothing in them have an entry of their own", async () => {
  await using folder = await makeFolder();
  await npmProgram(folder.dir);
  const folders = (await listProgram(folder.dir)).filter(({ kind }) => kind === "folder");
  assert.deepEqual(folders.map(({ path }) => path), ["repo.git/refs/heads"]);
});

Deno.test("a link that leaves the program is refused by its name, with what to do", async () => {
  await using folder = await makeFolder();
  await npmProgram(folder.dir);
  for (const to of ["/usr/bin/python3", "../../elsewhere"]) {
    const path = join(folder.dir, "node_modules/out");
    await Deno.symlink(to, path);
    await assert.rejects(packProgram(folder.dir), (error: Error & { hints: string[] }) => {
      assert.equal(error.message, `node_modules/out -> ${to} leads out of the program`);
      assert.match(error.hints.join("\n"), /cp -rL.*\n.*\.khachapuriignore/);
      return true;
    });
    await Deno.writeTextFile(join(folder.dir, ".khachapuriignore"), "/node_modules/out\n");
    const paths = (await listProgram(folder.dir)).map(({ path }) => path);
    assert.ok(!paths.includes("node_modules/out") && !paths.includes(".khachapuriignore"));
    await Deno.remove(join(folder.dir, ".khachapuriignore"));
    await Deno.remove(path);
  }
});

Deno.test("what is ignored stays out with all that is in it", async () => {
  await using folder = await makeFolder();
  await npmProgram(folder.dir);
  await Deno.writeTextFile(
    join(folder.dir, ".khachapuriignore"),
    "node_modules/\nrepo.git\n*.json",
  );
  const paths = (await listProgram(folder.dir)).map(({ path }) => path);
  assert.deepEqual(paths, ["main", "packages/own/index.js", "with space/ხაჭა პური"]);
});

Deno.test("what cannot be packed is named: a pipe, and what nobody may read", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(join(folder.dir, "main"), "#!/bin/sh\n");
  const pipe = join(folder.dir, "pipe");
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  await assert.rejects(packProgram(folder.dir), { message: /^pipe is neither/ });
  await Deno.remove(pipe);
  await Deno.writeTextFile(join(folder.dir, ".khachapuriignore"), "main");
  await assert.rejects(packProgram(folder.dir), { message: /holds no files/ });
});

Deno.test("folders count among the files that a program may have, as they do when it is unpacked", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const perFolder = 99;
    const folders = PROGRAM_ENTRIES_MAX / (perFolder + 1);
    for (let folder = 0; folder < folders; folder++) {
      await Deno.mkdir(join(dir, `f${folder}`));
      for (let file = 0; file < perFolder; file++) {
        await Deno.writeTextFile(join(dir, `f${folder}`, `${file}`), "");
      }
    }
    await packProgram(dir);
    await Deno.writeTextFile(join(dir, "one-more"), "");
    await assert.rejects(packProgram(dir), { message: /more than 10000 files and folders/ });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** What no compression makes smaller. */
function noise(bytes: number): Uint8Array {
  const noise = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(noise.subarray(at, at + 65_536));
  }
  return noise;
}

Deno.test("a large file is deflated unless nothing of it becomes smaller", async () => {
  await using folder = await makeFolder();
  const program = join(folder.dir, "program");
  await Deno.mkdir(program);
  const mixed = noise(3_000_000);
  mixed.fill(0, 1_500_000, 1_700_000);
  const files = {
    large: noise(3_000_000),
    mixed,
    small: noise(100_000),
    text: new TextEncoder().encode("khachapuri\n".repeat(200_000)),
  };
  for (const [name, bytes] of Object.entries(files)) {
    await Deno.writeFile(join(program, name), bytes);
  }
  const zip = await packProgram(program);
  const methods = (await readZip(zip)).map(({ path, method }) => [path, method]);
  assert.deepEqual(methods, [
    ["large", "stored"],
    ["mixed", "deflated"],
    ["small", "deflated"],
    ["text", "deflated"],
  ]);
  await unpackProgram(zip, join(folder.dir, "out"));
  for (const [name, bytes] of Object.entries(files)) {
    assert.deepEqual(await Deno.readFile(join(folder.dir, "out", name)), bytes, name);
  }
});
