import assert from "node:assert/strict";
import { KILL_GRACE_MS, SANDBOX_START_MS_MAX } from "../lib/limits.ts";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { FD, PORT, TestServer } from "../worlds/sandbox/servers.ts";
import { Upstream } from "../worlds/sandbox/upstream.ts";
import { livingProcesses } from "../worlds/processes.ts";

const LISTENS = [PORT, FD];
const PYTHON = "#!/bin/sh\nexec python3 -u -m http.server --bind 127.0.0.1 $PORT\n";
const encoder = new TextEncoder();

eachLauncher("an unmodified server answers, and says what it says", async (launcher) => {
  await using server = await TestServer.open(launcher, { script: PYTHON, memoryMb: 128 });
  await server.ready();
  const [head] = (await server.ask("GET /main HTTP/1.0\r\n\r")).split("\r\n");
  assert.equal(head, "HTTP/1.0 200 OK");
  server.instance.terminate();
  const record = await server.instance.record;
  assert.deepEqual([record.exit, record.signal, record.limit], [null, "SIGTERM", null]);
  assert.match(server.printed, /GET \/main HTTP\/1\.0" 200/);
  assert(record.cpuMs! > 0 && record.peakMemoryBytes! > 1e6, JSON.stringify(record));
});

eachLauncher(
  "it learns where to listen, and holds no descriptor of ours besides",
  async (launcher) => {
    await using byPort = await TestServer.open(launcher);
    const open = ["open 0", "open 1", "open 2", "open 3", "open 4", "done", ""];
    const port = (await byPort.ask("environment")).split("\n");
    // Its listener and the connection are 3 and 4, which it opened itself.
    assert.deepEqual(port, ["pid 2", "PORT=8080", ...open]);
    await using byFd = await TestServer.open(launcher, { listen: FD });
    const fd = (await byFd.ask("environment")).split("\n");
    assert.deepEqual(fd.toSorted(), ["pid 2", "LISTEN_FDS=1", "LISTEN_PID=2", ...open].toSorted());
  },
);

eachLauncher("a server on IPv6's loopback is found too", async (launcher) => {
  await using server = await TestServer.open(launcher, { args: ["6"] });
  await server.ready();
  assert.equal(await server.ask("early"), "early\ndone\n");
});

eachLauncher("who comes before it listens waits for it", async (launcher) => {
  for (const listen of LISTENS) {
    await using server = await TestServer.open(launcher, { listen, env: { SLOW: "400" } });
    const begun = performance.now();
    const early = server.ask("early");
    await server.ready();
    assert.equal(await early, "early\ndone\n");
    assert(performance.now() - begun > 300, listen.kind);
    assert.equal(server.printed, "ready\n");
  }
});

eachLauncher("either side may end its half first", async (launcher) => {
  for (const listen of LISTENS) {
    await using server = await TestServer.open(launcher, { listen });
    const connection = await server.begin("echo");
    const text = new Response(connection.readable).text();
    await connection.write(encoder.encode("to be sent back"));
    await connection.closeWrite();
    assert.equal(await text, "to be sent backdone\n");
  }
});

eachLauncher("a reset ends a connection, and no other", async (launcher) => {
  for (const listen of LISTENS) {
    await using server = await TestServer.open(launcher, { listen });
    const other = await server.begin("echo");
    const reset = await server.begin("reset");
    // A unix socket's end is all that its other side learns.
    await new Response(reset.readable).text().catch(() => {});
    const text = new Response(other.readable).text();
    await other.closeWrite();
    assert.equal(await text, "done\n");
  }
});

eachLauncher("an answer comes whole though its request is not read", async (launcher) => {
  await using server = await TestServer.open(launcher);
  const connection = await server.begin("early");
  const sent = (async () => {
    for (let piece = 0; piece < 200; piece++) await connection.write(new Uint8Array(64 * 1024));
  })().catch(() => {});
  const bytes = new Uint8Array(6);
  assert.equal(await connection.read(bytes), 6);
  assert.equal(new TextDecoder().decode(bytes), "early\n");
  await sent;
  connection.close();
});

eachLauncher("200 connections rest beside one that is used", async (launcher) => {
  await using server = await TestServer.open(launcher);
  const resting = await Promise.all(Array.from({ length: 200 }, () => server.connect()));
  await server.instance.listening();
  for (let call = 0; call < 20; call++) assert.equal(await server.ask("early"), "early\ndone\n");
  const last = resting.pop()!;
  await last.write(encoder.encode("early\n"));
  assert.equal(await new Response(last.readable).text(), "early\ndone\n");
  for (const connection of resting) connection.close();
});

eachLauncher("its end is told with its code, and its last words", async (launcher) => {
  for (const listen of LISTENS) {
    await using server = await TestServer.open(launcher, { listen });
    await server.ready();
    using resting = await server.connect();
    await server.ask("exit 3").catch(() => {});
    const record = await server.instance.record;
    assert.deepEqual([record.exit, record.limit, server.printed], [3, null, "ready\n"]);
    assert.equal(await resting.read(new Uint8Array(1)).catch(() => null), null);
  }
});

eachLauncher("what it cannot be started with is said", async (launcher) => {
  await using server = await TestServer.open(launcher, { script: "#!/no/such\n" });
  const record = await server.instance.record;
  assert.equal(record.exit, 127);
  assert.match(new TextDecoder().decode(record.stderr), /cannot execute/);
});

eachLauncher("it is held up by who does not take its output, and loses none", async (launcher) => {
  const gate = Promise.withResolvers<void>();
  let heard = 0;
  await using server = await TestServer.open(launcher, {
    async onOutput(bytes) {
      heard += bytes.length;
      await gate.promise;
    },
  });
  let done = false;
  const printing = server.ask("print 4000000").then(() => done = true);
  // A second connection is served meanwhile.
  assert.equal(await server.ask("early"), "early\ndone\n");
  assert.equal(done, false);
  gate.resolve();
  await printing;
  await server.instance.close();
  assert.equal(heard, 4_000_000 + "ready\n".length);
});

eachLauncher("SIGTERM reaches it, and kill and close leave nothing", async (launcher) => {
  await using server = await TestServer.open(launcher);
  await server.ready();
  server.instance.terminate();
  assert.equal((await server.instance.record).exit, 7);
  assert.equal(server.printed, "ready\nterminated\n");
  await using killed = await TestServer.open(launcher);
  await killed.ready();
  killed.instance.kill();
  assert.equal((await killed.instance.record).limit, "aborted");
  for (const { instance } of [killed, server]) {
    await instance.close();
    const folder = instance.socketPath.replace(/\/in$/, "");
    assert.equal(await livingProcesses(`khachapuri-init host .*${folder}`), "");
  }
});

eachLauncher("too much memory ends it", async (launcher) => {
  await using server = await TestServer.open(launcher);
  const connection = await server.begin("use 100");
  const record = await server.instance.record;
  assert.equal(record.limit, "memory");
  connection.close();
});

eachLauncher("what it uses and holds is told", async (launcher) => {
  await using server = await TestServer.open(launcher);
  await server.ask("use 20");
  const usage = await server.instance.usage();
  const mib = usage.memoryBytes / (1024 * 1024);
  assert(mib > 20 && mib < 30, `${mib} MiB`);
  assert.equal(usage.processes, 1);
  assert(usage.cpuMs >= 0);
});

eachLauncher("it calls out as runs do, and what that took is told", async (launcher) => {
  await using upstream = new Upstream();
  const egress = {
    hosts: ["api.test:80"],
    overrides: { "api.test:80": upstream.address },
    connections: 16,
    connectionsPerSecond: 100,
    bytesPerSecond: 1e9,
    connectMs: 5_000,
    idleMs: 60_000,
  };
  let sent = 0;
  const told = Promise.withResolvers<void>();
  const onEgress = (event: { kind: string; sentBytes?: number }) => {
    sent += event.sentBytes ?? 0;
    if (sent > 0) told.resolve();
  };
  await using server = await TestServer.open(launcher, { egress, onEgress });
  assert.equal(await server.ask("call 198.18.1.0"), "hellodone\n");
  await server.instance.usage();
  await told.promise;
  assert.equal(sent, 5);
});

Deno.test("one that does not start is given up in time, with all that was started", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const launcherPath = `${dir}/launcher`;
  await Deno.writeTextFile(launcherPath, "#!/bin/sh\nsleep 600 & sleep 600\n", { mode: 0o755 });
  // The watch alone does not keep a process alive.
  const alive = setInterval(() => {}, 1_000);
  const begun = performance.now();
  await assert.rejects(TestServer.open({ launcher: "bwrap", launcherPath }), {
    code: "sandbox_unavailable",
    shortMessage: /did not start within 10 s/,
  });
  clearInterval(alive);
  assert(performance.now() - begun < SANDBOX_START_MS_MAX + 3 * KILL_GRACE_MS);
  assert.equal(await livingProcesses(launcherPath), "");
  await Deno.remove(dir, { recursive: true });
});
