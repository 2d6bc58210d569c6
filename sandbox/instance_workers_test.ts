/**
 * Servers of a master and its workers, which the master ends when it has not heard of them for a
 * while. Standing still for longer than that must not look to it as if they hung.
 */
import assert from "node:assert/strict";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { TestServer } from "../worlds/sandbox/servers.ts";
import { pause } from "../lib/pause.ts";

const WORKERS = 3;
const QUIET_MS = 200;

/** A worker computes for a moment before it says that it lives, as what it has to do is due too. */
const MASTER = `#!/usr/bin/env python3
import mmap, os, select, signal, socket, struct, time
hung = float(os.environ["HUNG"])
beats = mmap.mmap(-1, 4096)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.setblocking(False)

def beat(worker):
    struct.pack_into("d", beats, 8 * worker, time.monotonic())

def work(worker):
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    while True:
        waiting.poll(hung * 1000 / 4)
        until = time.monotonic() + 0.003
        while time.monotonic() < until:
            pass
        beat(worker)
        try:
            connection = listener.accept()[0]
        except BlockingIOError:
            continue
        connection.setblocking(True)
        connection.recv(100)
        connection.sendall(b"answered\\n")
        connection.close()

def start(worker):
    beat(worker)
    pid = os.fork()
    if pid == 0:
        work(worker)
    return pid

workers = [start(worker) for worker in range(${WORKERS})]
while True:
    time.sleep(hung / 20)
    for worker, pid in enumerate(workers):
        if time.monotonic() - struct.unpack_from("d", beats, 8 * worker)[0] > hung:
            print("lost", flush=True)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            workers[worker] = start(worker)
`;

const GUNICORN = `#!/bin/sh
mkdir /tmp/app
cat > /tmp/app/app.py << 'END'
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)), b" read\\n"]
END
exec gunicorn --chdir /tmp/app --bind "127.0.0.1:$PORT" --workers 2 --timeout 3 app:app
`;
const HAS_GUNICORN = await Deno.stat("/usr/bin/gunicorn").then(() => true, () => false);

/**
 * Time itself is what passes here: nothing happens that could be waited for. As at a provider it
 * begins when the server has been quiet: a worker that has just told that it lives, and is about to
 * sleep for long, would not tell it soon.
 */
async function standStill(server: TestServer, ms: number): Promise<void> {
  await pause(QUIET_MS);
  server.instance.freeze();
  await pause(ms);
  server.instance.thaw();
}

async function openMaster(launcher: Launcher, hungSeconds: number): Promise<TestServer> {
  const env = { HUNG: String(hungSeconds) };
  const server = await TestServer.open(launcher, { script: MASTER, memoryMb: 128, env });
  await server.ask("one");
  return server;
}

eachLauncher("a master that was still for long loses no worker for it", async (launcher) => {
  await using server = await openMaster(launcher, 2);
  for (let round = 0; round < 2; round++) {
    await standStill(server, 3_000);
    assert.equal(await server.ask("one"), "answered\n");
    await pause(500);
    assert.equal(server.printed, "");
  }
  assert.equal((await server.instance.usage()).processes, 1 + WORKERS);
});

eachLauncher("who is frozen again while a master waits goes on as before", async (launcher) => {
  await using server = await openMaster(launcher, 2);
  for (let round = 0; round < 2; round++) {
    await standStill(server, 3_000);
    server.instance.freeze();
    server.instance.thaw();
    assert.equal(await server.ask("one"), "answered\n");
  }
  server.instance.terminate();
  assert.equal((await server.instance.record).signal, "SIGTERM");
});

/** The same master, woken with its workers as after a short while. */
eachLauncher("a master that is woken with its workers may lose one", async (launcher) => {
  await using server = await openMaster(launcher, 0.2);
  for (let round = 0; server.printed === ""; round++) {
    assert(round < 20);
    await standStill(server, 400);
    await pause(200);
  }
});

eachLauncher(
  { name: "gunicorn, still for longer than its timeout, answers", ignore: !HAS_GUNICORN },
  async (launcher) => {
    await using server = await TestServer.open(launcher, { script: GUNICORN, memoryMb: 256 });
    await server.ready();
    for (const method of ["GET", "POST"]) {
      await standStill(server, 5_000);
      const head = `${method} / HTTP/1.0\r\nContent-Length: 5\r\n\r`;
      assert.match(await server.ask(`${head}\nhello`), /^HTTP\/1.0 200 OK[^]*hello read\n$/);
      await pause(1_500); // Its clock looks for workers once a second.
    }
  },
);
