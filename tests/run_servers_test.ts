/** `run --interface http` as its developer meets it: the command line as a process of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { commandUnderTest } from "../worlds/command_line.ts";
import { inFolder, makeFolder } from "../worlds/home.ts";

/** Listens where `LISTEN` or else `PORT` says, and does what a request's path says. */
const NODE = `#!/usr/bin/node
const http = require("node:http");
process.on("SIGTERM", () => {
  console.log("asked to end");
  process.exit(0);
});
http.createServer((request, response) => {
  console.error("heard " + request.method + " " + request.url);
  if (request.url === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("data: begun\\n\\n");
  } else if (request.url === "/upper") {
    request.setEncoding("utf8");
    request.on("data", (text) => response.write(text.toUpperCase()));
    request.on("end", () => response.end());
  } else if (request.url === "/crash") {
    console.error("cannot go on");
    process.exit(7);
  } else {
    response.writeHead(201, { "x-a": "b" }).end("answer\\n");
  }
}).listen(process.env.LISTEN || process.env.PORT, "127.0.0.1");
`;

/** Starts `run` on a server whose main is this script. */
async function start(dir: string, home: string, script: string, ...args: string[]) {
  await Deno.writeTextFile(join(dir, "main"), script, { mode: 0o755 });
  const [program, ...flags] = commandUnderTest();
  return new Deno.Command(program!, {
    args: [...flags, "run", "--interface", "http", ...args],
    env: { KHACHAPURI_HOME: home, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function said(script: string, before: string[], after: string[]) {
  await using home = await makeFolder();
  await using folder = await makeFolder();
  const child = await start(folder.dir, home.dir, script, ...before, folder.dir, ...after);
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("a server answers one request, is asked to end, and what it prints goes to stderr", async () => {
  const plain = await said(NODE, [], ["-i", "/a?b=c"]);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout, /^HTTP\/1\.1 201 Created\r\n[^]*^x-a: b\r\n[^]*\r\n\r\nanswer\n$/m);
  assert.equal(plain.stderr, "heard GET /a?b=c\nasked to end\n");
  const elsewhere = await said(NODE, ["--server-port", "3000"], ["/"]);
  assert.deepEqual([elsewhere.code, elsewhere.stdout], [0, "answer\n"]);
});

Deno.test("a body of any size goes to it, and its answer comes back as it sends it", async () => {
  await inFolder(async (dir) => {
    const file = join(dir, "sent");
    const sent = "some words\n".repeat(100_000);
    await Deno.writeTextFile(file, sent);
    const { code, stdout } = await said(NODE, [], ["--data-binary", `@${file}`, "/upper"]);
    assert.equal(code, 0);
    assert.equal(stdout, sent.toUpperCase());
  });
});

Deno.test("events are printed as they come, of an answer that has no end", async () => {
  await inFolder(async (dir) => {
    await using home = await makeFolder();
    const child = await start(dir, home.dir, NODE, "--timeout", "30", dir, "-N", "/events");
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.endsWith("\n\n")) break;
    }
    assert.equal(text, "data: begun\n\n");
    child.kill("SIGKILL");
    await child.stderr.cancel();
    assert.equal((await child.status).signal, "SIGKILL", "it waited for the answer's end");
  });
});

Deno.test("an answer without an end is ended with its time", async () => {
  const { code, stdout, stderr } = await said(NODE, ["--timeout", "1"], ["-N", "/events"]);
  assert.equal(stdout, "data: begun\n\n");
  assert.notEqual(code, 0);
  assert.match(stderr, /^heard GET \/events\n/);
});

Deno.test("a server that does not start is told with its reason and what it said", async () => {
  const script = "#!/bin/sh\necho no such module >&2\nexit 3\n";
  const { code, stdout, stderr } = await said(script, [], ["/"]);
  assert.deepEqual([code, stdout], [8, ""]);
  assert.match(stderr, /^no such module\n/);
  assert.match(stderr, /^khachapuri: .*(exit code 3|exited with 3)/m);
});

Deno.test("a server that listens elsewhere is told where it should", async () => {
  const { code, stderr } = await said(NODE, ["--env", "LISTEN=8099"], ["/"]);
  assert.equal(code, 8);
  assert.match(stderr, /^khachapuri: .*it listens on port 8099, not on 8080/m);
  assert.match(stderr, /its variable PORT, or start run with --server-port 8099/);
});

Deno.test("a crash is told with what came before it", async () => {
  const { code, stdout, stderr } = await said(NODE, [], ["/crash"]);
  assert.deepEqual([code, stdout], [8, ""]);
  assert.match(
    stderr,
    /^heard GET \/crash\ncannot go on\nkhachapuri: .*(exit code 7|exited with 7)/,
  );
});
