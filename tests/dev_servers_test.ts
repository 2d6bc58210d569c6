/** `dev --interface http` as its developer meets it: a server that is kept, and started anew. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type DevProcess, startDev } from "../worlds/dev_process.ts";
import { inFolder, makeFolder } from "../worlds/home.ts";
import { handshake } from "../worlds/played_tunnel.ts";
import { childrenOf, livingProcesses } from "../worlds/processes.ts";

const ARGS = ["--interface", "http", "--timeout", "60"];

/** Counts its requests, and says its version; /wait is answered once something comes to /go. */
const server = (version: string) =>
  `#!/usr/bin/node
const http = require("node:http");
const crypto = require("node:crypto");
const waiting = [];
let count = 0;
console.log("${version} begins");
const server = http.createServer((request, response) => {
  count += 1;
  if (request.url === "/upper") {
    request.setEncoding("utf8");
    request.on("data", (text) => response.write("${version} " + text.toUpperCase()));
    request.on("end", () => response.end());
  } else if (request.url === "/wait") {
    console.error("waits");
    waiting.push(response);
  } else if (request.url === "/go") {
    for (const other of waiting.splice(0)) other.end("${version} went\\n");
    response.end("gone " + count + "\\n");
  } else if (request.url === "/crash") {
    console.error("cannot go on");
    process.exit(7);
  } else response.end("${version} " + count + "\\n");
});
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = crypto.createHash("sha1").update(key).digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n" +
    "Connection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  socket.on("data", (bytes) => socket.write(bytes));
  socket.on("error", () => {});
});
server.listen(process.env.PORT, "127.0.0.1");
`;

async function write(dir: string, text: string): Promise<void> {
  await Deno.writeTextFile(join(dir, "main"), text, { mode: 0o755 });
}

async function said(dev: DevProcess, path: string, init?: RequestInit): Promise<string> {
  return await (await fetch(`${dev.url}${path}`, init)).text();
}

/** A request whose body is still to come; its answer's first part has. */
async function begin(dev: DevProcess) {
  const { readable, writable } = new TransformStream<string, string>();
  const writer = writable.getWriter();
  const body = readable.pipeThrough(new TextEncoderStream());
  const answering = fetch(`${dev.url}/upper`, { method: "POST", body });
  await writer.write("one");
  const reader = (await answering).body!.pipeThrough(new TextDecoderStream()).getReader();
  return {
    first: (await reader.read()).value,
    async finish(text: string): Promise<string> {
      await writer.write(text);
      await writer.close();
      let rest = "";
      for (let part; !(part = await reader.read()).done;) rest += part.value;
      return rest;
    },
  };
}

Deno.test("one instance answers all requests, several at a time, and what it prints is shown", async () => {
  await inFolder(async (dir) => {
    await write(dir, server("one"));
    await using dev = await startDev([...ARGS, dir]);
    await dev.line(/^one begins$/);
    await dev.line(/^ready in \d+ ms$/);
    assert.equal(await said(dev, "/"), "one 1\n");
    assert.match(await dev.line(/ GET /), /^[\d:.]{12} GET \/ 200 \d+ ms 6 B$/);
    const waiting = [said(dev, "/wait"), said(dev, "/wait")];
    for (const _ of waiting) await dev.line(/^waits$/);
    assert.equal(await said(dev, "/go"), "gone 4\n");
    assert.deepEqual(await Promise.all(waiting), ["one went\n", "one went\n"]);
    assert.equal(dev.said().match(/begins/g)?.length, 1);
  });
});

Deno.test("what is saved answers from then on, and the old server ends with what it had", async () => {
  await inFolder(async (dir) => {
    await using temporary = await makeFolder();
    await write(dir, server("one"));
    await using dev = await startDev([...ARGS, dir], temporary.dir);
    await dev.line(/^ready/);
    const slow = await begin(dev);
    assert.equal(slow.first, "one ONE");
    await write(dir, server("two"));
    await dev.line(/^two begins$/);
    await dev.line(/^reloaded in \d+ ms$/);
    assert.equal(await said(dev, "/"), "two 1\n");
    const both = (await childrenOf(dev.pid)).length;
    assert.equal(await slow.finish("last"), "one LAST");
    while ((await childrenOf(dev.pid)).length >= both);
    assert.equal(await said(dev, "/"), "two 2\n");
    assert.equal(await dev.end("SIGTERM"), 0);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(temporary.dir)), []);
    assert.equal(await livingProcesses(temporary.dir), "");
  });
});

Deno.test("a server that does not start answers why until it is mended", async () => {
  await inFolder(async (dir) => {
    await write(dir, "#!/bin/sh\necho no such module >&2\nexit 3\n");
    await using dev = await startDev([...ARGS, dir]);
    await dev.line(/^no such module$/);
    const fault = await dev.line(/^cannot run: .*(exit code 3|exited with 3)/);
    const { error, message } = JSON.parse(await said(dev, "/"));
    assert.equal(error, "program_failed");
    assert.equal(fault, `cannot run: ${message}`);
    await write(dir, server("mended"));
    await dev.line(/^reloaded/);
    assert.equal(await said(dev, "/"), "mended 1\n");
  });
});

Deno.test("a crash is told, and the next request has a new server", async () => {
  await inFolder(async (dir) => {
    await write(dir, server("one"));
    await using dev = await startDev([...ARGS, dir]);
    assert.equal(await said(dev, "/"), "one 1\n");
    assert.equal(JSON.parse(await said(dev, "/crash")).error, "program_failed");
    await dev.line(/^cannot go on$/);
    const told = / GET \/crash 502 \d+ ms \d+ B: .*(exit code 7|exited with 7)/;
    assert.match(await dev.line(/ GET \/crash /), told);
    // A server that crashes soon after it has started is not started again at once.
    let answer;
    do {
      answer = await fetch(dev.url);
      if (answer.status !== 200) await answer.body?.cancel();
    } while (answer.status !== 200);
    assert.equal(await answer.text(), "one 1\n");
  });
});

/** A WebSocket to /chat; what comes through it is waited for. */
async function openChat(dev: DevProcess) {
  const { hostname, port, host } = new URL(dev.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(1_000);
  const write = (text: string) => connection.write(encoder.encode(text));
  let heard = "";
  const hear = async (end: string) => {
    while (!heard.endsWith(end)) {
      const count = await connection.read(bytes);
      assert.notEqual(count, null, heard);
      heard += decoder.decode(bytes.subarray(0, count!));
    }
  };
  await write(handshake("/chat", { "Host": host }));
  await hear("\r\n\r\n");
  assert.match(heard, /^HTTP\/1\.1 101 /);
  return {
    async echo(word: string) {
      await write(word);
      await hear(word);
    },
    /** Resolves when the other end has closed it. */
    closed: async () => {
      while (await connection.read(bytes).catch(() => null) !== null);
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

Deno.test("a WebSocket goes through, and is told when it opens and when somebody closes it", async () => {
  await inFolder(async (dir) => {
    await write(dir, server("one"));
    await using dev = await startDev([...ARGS, dir]);
    {
      using chat = await openChat(dev);
      for (const word of ["there", "and back"]) await chat.echo(word);
      assert.equal(await said(dev, "/"), "one 1\n");
      assert.match(await dev.line(/ \/chat /), / GET \/chat 101 /);
      assert.doesNotMatch(dev.said(), /closed/);
    }
    assert.match(
      await dev.line(/ \/chat closed /),
      / GET \/chat closed after \d+ ms, 13 B in, 13 B out$/,
    );
  });
});

Deno.test("a WebSocket to a server that a save has replaced is told with why it was closed", async () => {
  await inFolder(async (dir) => {
    await write(dir, server("one"));
    await using dev = await startDev([...ARGS, dir]);
    using chat = await openChat(dev);
    await write(dir, server("two"));
    await dev.line(/^reloaded/);
    await chat.echo("still here");
    await chat.closed();
    assert.match(
      await dev.line(/ \/chat closed /),
      / closed after \d+ ms, 10 B in, 10 B out: it was ended .* stopped or replaced$/,
    );
  });
});
