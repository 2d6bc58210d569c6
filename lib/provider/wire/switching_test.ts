import assert from "node:assert/strict";
import { connect } from "node:net";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { handshake, PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import { openWire, textAnswer, textOf, type Wire } from "../../../worlds/wire.ts";

/** A wire on which every handshake leads to a tunnel of the test's, and the first of them. */
async function open() {
  const tunnel = new PlayedTunnel();
  const gone = Promise.withResolvers<void>();
  const wire = await openWire((request) => {
    request.whenGone(gone.resolve);
    if (request.upgrade === null) return Promise.resolve(textAnswer("plain"));
    return Promise.resolve(tunnel.answer);
  });
  const socket = await wire.connect();
  return {
    wire,
    tunnel,
    socket,
    gone: gone.promise,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await wire[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a handshake is agreed to by its head alone, and bytes go both ways behind it", async () => {
  await using world = await open();
  const { socket, tunnel } = world;
  await socket.write(`${handshake()}right behind`);
  const head = await socket.readUntil("\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(
    head,
    /\r\nsec-websocket-accept: yes\r\nconnection: Upgrade\r\nupgrade: websocket\r\n/,
  );
  assert.doesNotMatch(head, /transfer-encoding|content-length|keep-alive/i);
  await tunnel.heard("right behind");
  await socket.write(", and later\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  await tunnel.heard("right behind, and later\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  tunnel.say(Uint8Array.of(0, 255));
  assert.equal(await socket.readUntil("\xff"), "\x00\xff");
});

Deno.test("a caller that ends its side is heard to its end, and then it is over", async () => {
  await using world = await open();
  const { socket, tunnel } = world;
  await socket.write(handshake());
  await socket.readUntil("\r\n\r\n");
  await socket.write("goodbye");
  await socket.closeWrite();
  await tunnel.closed;
  await tunnel.heard("goodbye");
  assert.equal(await socket.read(), null);
});

Deno.test("what a program said last arrives, whatever its caller still sends", async () => {
  await using world = await open();
  const { socket, tunnel } = world;
  await socket.write(handshake());
  await socket.readUntil("\r\n\r\n");
  await socket.write("x".repeat(30_000));
  tunnel.say("y".repeat(1_000_000));
  tunnel.finish();
  assert.equal((await socket.readAll()).length, 1_000_000);
  await tunnel.closed;
});

Deno.test("a program that dies, and accounts that do not end, are a reset to the caller", async () => {
  for (const end of ["break", "expire"] as const) {
    await using world = await open();
    const { socket, tunnel, wire } = world;
    await socket.write(handshake());
    await socket.readUntil("\r\n\r\n");
    const logged = wire.logged("an answer was cut off");
    tunnel[end](new Error("it died"));
    await assert.rejects(socket.readAll(), Deno.errors.ConnectionReset);
    await tunnel.closed;
    await logged;
  }
});

Deno.test("a caller that is reset is gone, also while nobody reads what it sent", async () => {
  for (const isStuck of [false, true]) {
    await using world = await open();
    const { tunnel, gone, wire } = world;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (isStuck) tunnel.room = promise;
    const socket = connect(wire.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`${handshake()}more`);
    await new Promise((said) => socket.once("data", said));
    socket.resetAndDestroy();
    await gone;
    await tunnel.closed;
    resolve();
  }
});

Deno.test("who takes nothing holds up who sends, both ways", async () => {
  await using world = await open();
  const { socket, tunnel } = world;
  const { promise, resolve } = Promise.withResolvers<void>();
  tunnel.room = promise;
  await socket.write(handshake());
  await socket.readUntil("\r\n\r\n");
  // Sockets of the system take some megabytes.
  const bytes = 32 * 1024 * 1024;
  let sent = 0;
  const sending = (async () => {
    for (; sent < bytes; sent += 65_536) await socket.write("x".repeat(65_536));
  })();
  let before = -1;
  while (before !== sent) {
    before = sent;
    for (let turn = 0; turn < 20; turn++) await (await fetch(world.wire.url)).text();
  }
  assert.ok(sent < bytes / 2, `${sent} bytes were taken for nobody`);
  resolve();
  await sending;
  await socket.closeWrite();
  await tunnel.closed;
  assert.equal(tunnel.taken, bytes);
  await using other = await open();
  await other.socket.write(handshake());
  await other.socket.readUntil("\r\n\r\n");
  let read = 0;
  other.tunnel.read = () => {
    read += 65_536;
    return Promise.resolve(read > bytes ? null : new Uint8Array(65_536));
  };
  other.tunnel.say("");
  before = -1;
  while (before !== read) {
    before = read;
    for (let turn = 0; turn < 20; turn++) await (await fetch(other.wire.url)).text();
  }
  assert.ok(read < bytes / 2, `${read} bytes wait for nobody`);
});

Deno.test("a handshake that is refused is answered as any request, and is the last", async () => {
  await using wire = await openWire(() => Promise.resolve(textAnswer("no", 403)));
  const answer = await wire.say(`${handshake()}GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 403 .*\r\nconnection: close\r\ncontent-length: 2\r\n.*no$/s);
  assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
  const body = "z".repeat(300_000);
  await using long = await openWire(() => {
    const chunks = Array.from({ length: 10 }, () => new TextEncoder().encode(body));
    const read = () => Promise.resolve(chunks.shift() ?? null);
    const stream = { ended: Promise.resolve(), read, cancel: () => Promise.resolve() };
    return Promise.resolve({ status: 200, headers: [], body: stream });
  });
  assert.ok((await long.say(handshake())).length > 10 * body.length, "it is no shorter");
});

Deno.test("a handshake waits for the answers before it, also for one that streams", async () => {
  const tunnel = new PlayedTunnel();
  await using wire = await openWire((request) => {
    if (request.upgrade) return Promise.resolve(tunnel.answer);
    const chunks = Array.from({ length: 10 }, () => new Uint8Array(300_000));
    const read = () => Promise.resolve(chunks.shift() ?? null);
    const body = { ended: Promise.resolve(), read, cancel: () => Promise.resolve() };
    return Promise.resolve({ status: 200, headers: [], body });
  });
  await using socket = await wire.connect();
  await socket.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${handshake()}ahead`);
  const all = await socket.readUntil("websocket\r\n");
  assert.match(all, /\r\n0\r\n\r\nHTTP\/1\.1 101 /);
  await tunnel.heard("ahead");
});

Deno.test("what asks for HTTP/2 in cleartext is answered in HTTP/1.1, with its body", async () => {
  await using wire = await openWire(async (request) => textAnswer(await textOf(request)));
  const { stdout } = await new Deno.Command("curl", {
    args: ["-s", "--http2", "-d", "khachapuri", "-w", " %{http_code} %{http_version}", wire.url],
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "khachapuri 200 1.1");
});

Deno.test("the end of the provider is the end of its tunnels, and of nothing that was said", async () => {
  await using world = await open();
  const { socket, tunnel, wire } = world;
  await socket.write(handshake());
  await socket.readUntil("\r\n\r\n");
  tunnel.say("last");
  await socket.readUntil("last");
  const stopped = wire.listener.stop(60_000);
  assert.equal(await socket.read(), null);
  socket.close();
  await tunnel.closed;
  await stopped;
});

/** Real WebSockets at both ends: Deno's, and what its server makes of an upgrade. */
async function openReal(certificate?: Parameters<typeof openWire>[1]) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) =>
      data === "end" ? socket.close(4_000, "asked") : socket.send(data);
    return response;
  });
  const wire = await openWire(async ({ fields, path }) => {
    const to = await Deno.connect({ port: server.addr.port });
    const head = fields.list.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await to.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${head}\r\n`));
    const { said, rest } = await headOf(to);
    const over = Promise.withResolvers<void>();
    let first: Uint8Array | null = rest;
    const tunnel = {
      ended: over.promise,
      async read() {
        const taken = first;
        first = null;
        if (taken && taken.length > 0) return taken;
        const buffer = new Uint8Array(65_536);
        const size = await to.read(buffer);
        return size === null ? null : buffer.subarray(0, size);
      },
      async write(bytes: Uint8Array) {
        for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
      },
      close() {
        to.close();
        over.resolve();
      },
    };
    return { status: 101, headers: [["sec-websocket-accept", said]], body: null, tunnel };
  }, certificate);
  return { wire, server };
}

async function headOf(to: Deno.Conn): Promise<{ said: string; rest: Uint8Array }> {
  const buffer = new Uint8Array(65_536);
  let size = 0;
  let end = -1;
  while (end < 0) {
    size += await to.read(buffer.subarray(size)) ?? 0;
    end = new TextDecoder("latin1").decode(buffer.subarray(0, size)).indexOf("\r\n\r\n");
  }
  const head = new TextDecoder().decode(buffer.subarray(0, end));
  const [, said = ""] = /sec-websocket-accept: (.*)/i.exec(head) ?? [];
  return { said: said.trim(), rest: buffer.slice(end + 4, size) };
}

/** Talks over it until both ends have closed it. */
async function talk({ port }: Wire, scheme: string, client?: Deno.HttpClient): Promise<void> {
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/`, client ? { client } : {});
  const heard: unknown[] = [];
  socket.onmessage = ({ data }) => heard.push(data);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
  });
  const long = "x".repeat(3_000_000);
  for (const text of ["a", long, "b", "end"]) socket.send(text);
  const { code, reason } = await new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
  assert.deepEqual([code, reason], [4_000, "asked"]);
  assert.deepEqual(heard, ["a", long, "b"]);
}

Deno.test("real WebSockets talk, without TLS and with it", async () => {
  const plain = await openReal();
  await talk(plain.wire, "ws");
  await plain.wire[Symbol.asyncDispose]();
  await plain.server.shutdown();
  await using files = await certificateFiles("127.0.0.1");
  const secured = await openReal(files);
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(files.cert)] });
  await talk(secured.wire, "wss", client);
  await secured.wire[Symbol.asyncDispose]();
  await secured.server.shutdown();
});

Deno.test("a thousand tunnels wait, and others are served meanwhile", async () => {
  const tunnels: PlayedTunnel[] = [];
  await using wire = await openWire((request) => {
    if (request.upgrade === null) return Promise.resolve(textAnswer("plain"));
    const tunnel = new PlayedTunnel();
    tunnels.push(tunnel);
    return Promise.resolve(tunnel.answer);
  });
  const sockets = await Promise.all(Array.from({ length: 1_000 }, () => wire.connect()));
  for (const socket of sockets) await socket.write(handshake());
  await Promise.all(sockets.map((socket) => socket.readUntil("\r\n\r\n")));
  assert.equal(await (await fetch(wire.url)).text(), "plain");
  tunnels.forEach((tunnel) => tunnel.say("still there"));
  await Promise.all(sockets.map((socket) => socket.readUntil("still there")));
  for (const socket of sockets) socket.close();
  await Promise.all(tunnels.map(({ closed }) => closed));
});
