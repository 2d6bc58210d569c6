/** What a hostile server finds out from the sockets by which it is called, and whom it reaches. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { buildServer, FD, PORT, TestServer } from "../worlds/sandbox/servers.ts";

/** The same program outside, with such a socket as descriptor 3. */
const OUTSIDE = `import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[2]); s.listen()
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.execve(sys.argv[1], ["main"], {})`;

interface Outside extends AsyncDisposable {
  ask(line: string): Promise<string>;
}

async function serveOutside(): Promise<Outside> {
  const dir = await Deno.makeTempDir();
  await Deno.writeFile(`${dir}/main`, await buildServer(), { mode: 0o755 });
  const path = `${dir}/in`;
  const args = ["-c", OUTSIDE, `${dir}/main`, path];
  const child = new Deno.Command("python3", { args, stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read(); // It is ready.
  return {
    async ask(line) {
      const connection = await Deno.connect({ transport: "unix", path });
      await connection.write(new TextEncoder().encode(`${line}\n`));
      return await new Response(connection.readable).text();
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
      await Deno.remove(dir, { recursive: true });
    },
  };
}

const REFUSED = ["ioctl", "bind", "pidfd"].map((what) => `${what} Operation not permitted`);

eachLauncher("a socket of ours tells nothing of the machine's network", async (launcher) => {
  await using server = await TestServer.open(launcher, { listen: FD });
  await using outside = await serveOutside();
  for (const socket of ["interfaces", "listener"]) {
    const facts = (await server.ask(socket)).split("\n");
    assert.deepEqual(facts, [...REFUSED, "done", ""]);
    // Without the filter the ioctl shows all interfaces, and the options name one after another.
    const shown = await outside.ask(socket);
    assert.match(shown, /^interface lo$/m);
    assert.match(shown, /^device lo$/m);
  }
});

eachLauncher(
  "a port's own connections stay in its network, whose ioctls work",
  async (launcher) => {
    await using server = await TestServer.open(launcher, { listen: PORT });
    assert.match(await server.ask("interfaces"), /^interface lo\ndevice lo$/m);
    assert.doesNotMatch(await server.ask("interfaces"), /interface (?!lo)/);
  },
);

eachLauncher("no socket's name, and no process at its other end, is shown", async (launcher) => {
  await using server = await TestServer.open(launcher, { listen: FD });
  assert.equal(await server.ask("names"), "sockname 1 in\npeername 1 \npeerpid 0\ndone\n");
  await using outside = await serveOutside();
  assert.match(await outside.ask("names"), new RegExp(`/in\\npeername 1 \\npeerpid ${Deno.pid}\n`));
});

eachLauncher("instances have networks of their own: none reaches another", async (launcher) => {
  const script = `#!/usr/bin/env -S python3 -u
import os, socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(os.environ["PORT"]))); s.listen()
def reach(family, name):
  o = socket.socket(family)
  try: o.connect(name); return b"reached\\n"
  except OSError as e: return e.strerror.encode() + b"\\n"
while True:
  c, _ = s.accept()
  line = c.recv(100).decode().split()
  if not line: pass
  elif line[0] == "abstract":
    a = socket.socket(socket.AF_UNIX); a.bind("\\0meet"); a.listen(); c.send(b"bound\\n")
  elif line[0] == "tcp": c.send(reach(socket.AF_INET, ("127.0.0.1", int(line[1]))))
  else: c.send(reach(socket.AF_UNIX, "\\0meet"))
  c.close()
`;
  await using one = await TestServer.open(launcher, { script, memoryMb: 128 });
  await using other = await TestServer.open(launcher, {
    script,
    memoryMb: 128,
    listen: { kind: "port", port: 8081 },
  });
  await Promise.all([one.ready(), other.ready()]);
  assert.equal(await one.ask("abstract"), "bound\n");
  assert.equal(await other.ask("unix"), "Connection refused\n");
  assert.equal(await one.ask("unix"), "reached\n");
  assert.equal(await other.ask("tcp 8080"), "Connection refused\n");
  assert.equal(await one.ask("tcp 8080"), "reached\n");
});
