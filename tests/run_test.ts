/** `run` as its developer meets it: the command line as a process of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { commandUnderTest } from "../worlds/command_line.ts";
import { inFolder, makeFolder } from "../worlds/home.ts";

/** Starts `run` on a program whose main is this script. */
async function start(dir: string, home: string, script: string, ...args: string[]) {
  await Deno.writeTextFile(join(dir, "main"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const [program, ...flags] = commandUnderTest();
  return new Deno.Command(program!, {
    args: [...flags, "run", ...args],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function said(dir: string, script: string, ...args: string[]) {
  await using home = await makeFolder();
  const child = await start(dir, home.dir, script, ...args);
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("what a program writes to stderr comes as it writes it", async () => {
  await inFolder(async (dir) => {
    await using home = await makeFolder();
    const script = "echo begun >&2; sleep 60";
    const child = await start(dir, home.dir, script, "--timeout", "10", dir, "/");
    let text = "";
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes("\n")) break;
    }
    assert.equal(text, "begun\n");
    child.kill("SIGKILL");
    await child.stdout.cancel();
    assert.equal((await child.status).signal, "SIGKILL", "it waited for the run's end");
  });
});

Deno.test("what is said of a run follows what it said, and nothing drives the terminal", async () => {
  await inFolder(async (dir) => {
    const script = "printf '\\033]0;t\\007\\033[31mred\\n' >&2; echo 'x: Too many open files' >&2";
    const answered = await said(dir, `${script}; echo answer; exit 3`, dir, "/");
    assert.equal(answered.stdout, "answer\n");
    const lines = "]0;t\x1b[31mred\x1b[0m\nx: Too many open files\n";
    assert.ok(answered.stderr.startsWith(`${lines}note: it opened more than`), answered.stderr);
    const failed = await said(dir, `${script}; exit 3`, dir, "/");
    assert.equal(failed.code, 8);
    assert.ok(failed.stderr.startsWith(`${lines}khachapuri: the program exited with 3`));
  });
});

Deno.test("a program that looks like a server is told how one is run, unless it says what it is", async () => {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "app.py"), "from flask import Flask\n");
    const script = "echo answer";
    const note = "note: app.py uses flask; a web server needs --interface http, which keeps it " +
      "running\n";
    assert.equal((await said(dir, script, dir, "/")).stderr, note);
    assert.equal((await said(dir, script, "--interface", "curl", dir, "/")).stderr, "");
    const cgi = "printf 'Content-Type: text/plain\\n\\nhi'";
    const served = await said(dir, cgi, "--interface", "http", dir, "/");
    assert.match(served.stderr, /^note: \.\/main prints Content-Type .*--interface cgi\n/);
    const refused = await said(dir, script, "--server-port", "3000", dir, "/");
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--server-port: the program is no server/);
  });
});
