/** Servers in sandboxes: unmodified programs through their whole lives. */
import assert from "node:assert/strict";
import { chunksSource } from "../../byte_source.ts";
import { survivors } from "../../../worlds/processes.ts";
import { refusal } from "../../../worlds/refusal.ts";
import { eachLauncher } from "../../../worlds/sandbox/launchers.ts";
import { requestOf } from "../../../worlds/sandbox/played_server.ts";
import { sandboxedServer } from "../../../worlds/sandbox/sandboxed_server.ts";
import { pause } from "../../pause.ts";

const PYTHON = "#!/bin/sh\nexec python3 -u -m http.server --bind 127.0.0.1 $PORT\n";

const PYTHON_FD = `#!/usr/bin/env python3
import http.server, socket
class Server(http.server.ThreadingHTTPServer):
    def __init__(self, handler):
        super().__init__(("", 0), handler, bind_and_activate=False)
        self.socket = socket.socket(fileno=3)
    def get_request(self):
        return self.socket.accept()[0], ("caller", 0)
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
Server(Handler).serve_forever()
`;

const NODE = `#!/usr/bin/env node
const { createServer } = require("node:http");
let served = 0;
const server = createServer((request, response) => {
  served++;
  if (request.url === "/crash") process.exit(7);
  if (request.url === "/loop") for (;;);
  if (request.url === "/never") return;
  if (request.url === "/served") return response.end(String(served));
  request.pipe(response);
});
server.on("upgrade", (request, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n");
  socket.pipe(socket);
});
process.on("SIGTERM", () => {
  console.log("told to end");
  server.close(() => process.exit(0));
});
server.listen(process.env.PORT, "127.0.0.1", () => console.log("listening"));
`;

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined);
const bytes = (words: string) => new TextEncoder().encode(words);

eachLauncher("a server of Python's answers, rests, wakes and ends", async (launcher) => {
  await using at = await sandboxedServer(launcher, { script: PYTHON, idleMs: 1_000 });
  assert.match(await at.ask(), /Directory listing/);
  await at.until(() => at.states()[0] === "1 frozen");
  assert.match(await at.ask({ target: "/main" }), /exec python3/);
  assert(at.server.view().instances[0]!.memoryBytes! > 1e6);
  await at.until(() => at.states().length === 0);
  const last = at.events.at(-1);
  assert.deepEqual([last?.kind, last?.kind === "ended" && last.why], ["ended", "idle"]);
  assert.match(at.printed(), /GET \/main HTTP\/1.1" 200/);
  // From zero again.
  assert.match(await at.ask(), /Directory listing/);
});

eachLauncher("a server that is passed its socket rests and wakes, too", async (launcher) => {
  await using at = await sandboxedServer(launcher, { script: PYTHON_FD, listen: { kind: "fd" } });
  for (let count = 0; count < 3; count++) {
    assert.match(await at.ask({ target: "/main" }), /ThreadingHTTPServer/);
    await at.until(() => at.states()[0] === "1 frozen");
  }
  assert.equal(at.server.view().instances[0]!.requests, 3);
});

eachLauncher("Node answers many at once, bodies and WebSockets too", async (launcher) => {
  await using at = await sandboxedServer(launcher, { script: NODE });
  const echoes = Array.from({ length: 40 }, async (_, index) => {
    const body = chunksSource([bytes(`body ${index} `), new Uint8Array(100_000)]);
    return (await at.ask({ method: "POST", body, bodyBytes: null })).slice(0, 8);
  });
  // Eight have places, sixteen wait for them, and the others are told to come again.
  const outcomes = await Promise.allSettled(echoes);
  const answered = outcomes.filter(({ status }) => status === "fulfilled");
  assert.equal(answered.length, 16);
  const run = (await at.seat()).send(requestOf({
    upgrade: "websocket",
    fields: [["host", "a"], ["sec-websocket-version", "13"]],
  }));
  const { tunnel } = await run.response;
  await tunnel!.write(bytes("to and fro"));
  assert.equal(text(await tunnel!.read()), "to and fro");
  assert.deepEqual(at.states(), ["1 awake"]);
  tunnel!.close();
  assert.equal((await run.record).limit, null);
  await at.until(() => at.states()[0] === "1 frozen");
});

eachLauncher(
  "Node's crash is told with its exit code, and its next request starts it anew",
  async (launcher) => {
    await using at = await sandboxedServer(launcher, { script: NODE });
    const waiting = (await at.seat()).send(requestOf({ target: "/never" }));
    const crashing = (await at.seat()).send(requestOf({ target: "/crash" }));
    for (const run of [waiting, crashing]) {
      const { code, message } = await refusal(run.response);
      assert.equal(code, "program_failed");
      assert.equal(message, "the server ended with exit code 7 while it worked on the request");
      assert.equal((await run.record).exit, 7);
    }
    await at.until(() => at.states().length === 0);
    const paused = await refusal(at.seat());
    assert.match(paused.message, /exit code 7/);
    await pause(paused.retryAfterSeconds! * 1_000);
    assert.equal(await at.ask({ target: "/served" }), "1");
  },
);

eachLauncher("a server that hangs is replaced, and killed as it cannot end", async (launcher) => {
  await using at = await sandboxedServer(launcher, { script: NODE, timeoutMs: 500 });
  await at.ask();
  const run = (await at.seat()).send(requestOf({ target: "/loop" }));
  assert.equal((await refusal(run.response)).code, "program_timeout");
  assert.equal(at.states()[0], "1 draining");
  assert.equal(await at.ask({ target: "/served" }), "1");
  await at.until(() => at.states()[0] !== "1 draining");
  assert(at.events.some((event) => event.kind === "ended" && event.why === "timeout"));
});

eachLauncher(
  "a server that never listens, or ends at once, is told from others",
  async (launcher) => {
    await using ends = await sandboxedServer(launcher, {
      script: "#!/bin/sh\necho no such table\nexit 3\n",
    });
    const { message } = await refusal(ends.seat());
    assert.equal(message, "the server did not start: it exited with 3 before it listened");
    const failed = ends.events.find((event) => event.kind === "failed");
    assert.equal(text(failed?.record?.stderr ?? null), "no such table\n");
    await using absent = await sandboxedServer(launcher, { script: "#!/no/such/interpreter\n" });
    assert.match((await refusal(absent.seat())).message, /exited with 127/);
  },
);

eachLauncher("a server is told to end when it drains", async (launcher) => {
  await using at = await sandboxedServer(launcher, { script: NODE });
  assert.equal(await at.ask({ target: "/served" }), "1");
  await at.server.drain();
  assert.match(at.printed(), /listening\ntold to end\n/);
  const last = at.events.at(-1);
  assert.deepEqual(last?.kind === "ended" && [last.why, last.record?.exit], ["drained", 0]);
  assert.equal((await refusal(at.seat())).code, "sandbox_unavailable");
});

eachLauncher("nothing of a server is left when it is closed", async (launcher) => {
  const at = await sandboxedServer(launcher, { script: NODE });
  const run = (await at.seat()).send(requestOf({ target: "/never" }));
  await at.ask();
  await at[Symbol.asyncDispose]();
  await refusal(run.response);
  await run.record;
  assert.deepEqual(at.states(), []);
  assert.equal(await survivors(at.dir), "");
});
