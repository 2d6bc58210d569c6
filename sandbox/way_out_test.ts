import assert from "node:assert/strict";
import type { ByteSource } from "../lib/byte_source.ts";
import { pause } from "../lib/pause.ts";
import type { RunRecord } from "./sandbox.ts";
import type { EgressPolicy } from "./egress.ts";
import { makeEtc } from "./etc.ts";
import { eachWay, openByWay, type Way } from "../worlds/sandbox/ways.ts";
import { Upstream } from "../worlds/sandbox/upstream.ts";

const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
const limits = { timeoutMs: 10_000, memoryMb: 256, stdoutBytes: 1 << 20, stderrBytes: 1 << 16 };

const POLICY: EgressPolicy = {
  hosts: ["api.test:80"],
  overrides: {},
  connections: 16,
  connectionsPerSecond: 1_000,
  bytesPerSecond: 1e12,
  connectMs: 5_000,
  idleMs: 60_000,
};

interface Ran {
  stdout: string;
  stderr: string;
  record: RunRecord;
}

/** Runs `script` with a way out, in a sandbox that is closed afterwards. */
async function run(
  launcher: Way,
  egress: EgressPolicy,
  script: string,
  { stdin = null, ...others }: Partial<typeof limits> & { stdin?: ByteSource | null } = {},
): Promise<Ran> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.chmod(dir, 0o755);
    const program = `${dir}/program`;
    await Deno.mkdir(program, { mode: 0o755 });
    await Deno.writeTextFile(`${program}/main`, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    const host = { ...launcher, runUid, etc: makeEtc(`${dir}/etc`) };
    const policy = { programDir: program, limits: { ...limits, ...others }, egress };
    const sandbox = await openByWay(host, policy);
    try {
      const live = await sandbox.run({ argv: ["main"], env: {}, stdin });
      const stdout = await new Response(live.stdout()).text();
      const record = await live.record;
      return { stdout, stderr: new TextDecoder().decode(record.stderr), record };
    } finally {
      await sandbox.close();
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** As a program without any library of ours says a line to a host and prints what comes back. */
const SAY = `say() {
  exec 3<>/dev/tcp/$1/$2 && echo "$3" >&3 && read -r line <&3 && echo "$line" && exec 3>&-
}`;

eachWay("a program reaches the hosts that are listed, and what it used is told", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  const { stdout, record } = await run(
    l,
    policy,
    `${SAY}; say api.test 80 hello; say API.TEST 80 you`,
  );
  assert.equal(stdout, "hello\nyou\n");
  assert.deepEqual(record.egress, {
    connections: 2,
    sentBytes: 10,
    receivedBytes: 10,
    unreached: [],
  });
});

/** A byte now and then, of a body that goes on for long. */
function trickle(): ByteSource {
  let left = 12;
  return {
    async read() {
      if (left-- <= 0) return null;
      await pause(500);
      return new Uint8Array(1);
    },
    cancel: () => void (left = 0),
  };
}

eachWay("who calls out waits in its own time, also while its caller sends slowly", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  const reads = "exec 4<&0; cat <&4 >/dev/null & sleep 4; echo done";
  const limited = { timeoutMs: 1_500 };
  const alone = await run(l, policy, reads, { ...limited, stdin: trickle() });
  assert.deepEqual([alone.stdout, alone.record.limit], ["done\n", null]);
  const calls = `${SAY}; say api.test 80 hello; ${reads}`;
  await assert.rejects(run(l, policy, calls, { ...limited, stdin: trickle() }), {
    code: "program_timeout",
  });
  assert.equal(upstream.accepted, 1);
});

eachWay("names that are not listed do not exist, and the record says which", async (l) => {
  const { stdout, record } = await run(
    l,
    POLICY,
    `getent hosts other.test || echo none; getent ahostsv6 api.test | grep -v ::ffff || echo no6
     getent hosts api.test`,
  );
  assert.match(stdout, /^none\nno6\n198\.18\.\d+\.\d+ +api\.test\n$/);
  const other = { host: "other.test", port: null, failure: "notListed" };
  assert.deepEqual(record.egress?.unreached, [other]);
});

eachWay("other ports, other addresses and the machine itself are out of reach", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  const targets = [
    `api.test ${upstream.port}`,
    `127.0.0.1 ${upstream.port}`,
    `${Deno.networkInterfaces().find(({ address }) => address !== "127.0.0.1")!.address} 80`,
    "1.1.1.1 80",
    "198.18.7.7 80",
    "169.254.169.254 80",
  ];
  const tries = targets.map((target) => `(say ${target} x) 2>/dev/null || echo no`).join("; ");
  const { stdout } = await run(l, policy, `${SAY}; ${tries}; say api.test 80 control`);
  assert.equal(stdout, "no\n".repeat(targets.length) + "control\n");
  assert.equal(upstream.accepted, 1);
});

eachWay("a listed name that has no address is refused, in words", async (l) => {
  const script = `${SAY}; (say nowhere.invalid 80 x) 2>/dev/null || echo no`;
  const { stdout, record } = await run(l, { ...POLICY, hosts: ["nowhere.invalid:80"] }, script);
  assert.equal(stdout, "no\n");
  const nowhere = { host: "nowhere.invalid", port: 80, failure: "noAddress" };
  assert.deepEqual(record.egress?.unreached, [nowhere]);
});

eachWay("a wildcard stands for every name below it, and not for itself", async (l) => {
  await using upstream = new Upstream();
  const policy = {
    ...POLICY,
    hosts: ["*.wild.test:80"],
    overrides: { "a.wild.test:80": upstream.address, "b.c.wild.test:80": upstream.address },
  };
  const script = `${SAY}; say a.wild.test 80 one; say b.c.wild.test 80 two
    getent hosts wild.test || echo none; getent hosts xwild.test || echo none`;
  const { stdout, record } = await run(l, policy, script);
  assert.equal(stdout, "one\ntwo\nnone\nnone\n");
  assert.equal(record.egress?.connections, 2);
});

eachWay("the names of a wildcard that are in use make no room for others", async (l) => {
  await using upstream = new Upstream();
  const policy = {
    ...POLICY,
    hosts: ["*.wild.test:80"],
    overrides: { "kept.wild.test:80": upstream.address, "last.wild.test:80": upstream.address },
  };
  const ask = (name: string) => `getent hosts ${name}.wild.test | cut -d" " -f1`;
  const script = `${SAY}; ${ask("kept")}; ${ask("unused")}; exec 4<>/dev/tcp/kept.wild.test/80
    getent hosts $(seq -f x%g.wild.test 200) | cut -d" " -f1 | sort -u | wc -l
    say last.wild.test 80 last; echo kept >&4; head -n1 <&4; ${ask("kept")}; ${ask("unused")}
    (say 198.18.1.1 80 x) 2>/dev/null || echo gone`;
  const { stdout } = await run(l, policy, script);
  const [kept, unused, asked, last, echo, keptStill, unusedAgain, gone] = stdout.split("\n");
  assert.deepEqual([asked, last, echo, gone], ["200", "last", "kept", "gone"]);
  assert.equal(keptStill, kept);
  // A program that still has its old address must not come to another name's host.
  assert.deepEqual([unused, unusedAgain], ["198.18.1.1", "198.18.1.203"]);
});

eachWay("what listens for a wildcard's names is no memory of the program's", async (l) => {
  const policy = { ...POLICY, hosts: ["*.wild.test:80"] };
  const script = `getent hosts $(seq -f x%g.wild.test 140) >/dev/null
    sleep 0.2; echo alive`;
  const { stdout, record } = await run(l, policy, script, { memoryMb: 12 });
  assert.equal(stdout, "alive\n", record.limit ?? "");
});

eachWay("where a program listens in a host's place, that host has no address", async (l) => {
  const policy = { ...POLICY, hosts: ["*.wild.test:8080"] };
  const script = `python3 - <<'END'
import socket
servers = [socket.create_server((f"198.18.1.{i}", 8080)) for i in range(8)]
try: print(socket.gethostbyname("a.wild.test"))
except OSError as error: print("none")
for one in servers: one.close()
print(socket.gethostbyname("a.wild.test"))
END`;
  const { stdout } = await run(l, policy, script);
  assert.equal(stdout, "none\n198.18.1.0\n");
});

eachWay("a program's own servers keep the ports of the hosts that it calls", async (l) => {
  await using upstream = new Upstream();
  const policy = {
    ...POLICY,
    hosts: ["api.test:8080"],
    overrides: { "api.test:8080": upstream.address },
  };
  const script = `${SAY}
    python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 8080)); print("ours")'
    say api.test 8080 theirs`;
  const { stdout } = await run(l, policy, script);
  assert.equal(stdout, "ours\ntheirs\n");
});

eachWay("who finds no room waits and loses nothing", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, connections: 2, overrides: { "api.test:80": upstream.address } };
  const script = `${SAY}; for i in $(seq 20); do say api.test 80 $i & done; wait`;
  const { stdout, record } = await run(l, policy, script);
  assert.equal(stdout.trim().split("\n").length, 20);
  assert.equal(record.egress?.connections, 20);
  // It learns of an end a little after the relay does.
  assert(upstream.most < 10, `${upstream.most} at once`);
});

eachWay("connections end with the last run, and no descriptor is left", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  // The connection is handed to a process that outlives the program's first one.
  await run(l, policy, `exec 3<>/dev/tcp/api.test/80; echo hi >&3; head -n1 <&3; sleep 100 & exit`);
  await upstream.drained();
});

eachWay("a program that hangs up in the middle of an answer can call again", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  // What it said is at its end, and more has come back than it reads: the connection is reset.
  const script = `python3 - <<'END'
import socket
for i in range(3):
    s = socket.create_connection(("api.test", 80))
    s.setblocking(False)
    try:
        while True: s.send(bytes(100000))
    except BlockingIOError: pass
    s.setblocking(True); s.shutdown(socket.SHUT_WR); print(len(s.recv(1000))); s.close()
END
    ${SAY}; say api.test 80 again`;
  const { stdout } = await run(l, policy, script);
  assert.equal(stdout, "1000\n1000\n1000\nagain\n");
});

eachWay("a socket of a program that is aimed anew stays inside", async (l) => {
  await using upstream = new Upstream();
  const policy = { ...POLICY, overrides: { "api.test:80": upstream.address } };
  const script = `python3 - <<'END'
import ctypes, errno, socket
s = socket.create_connection(("api.test", 80))
s.sendall(b"control\\n"); print(s.recv(100).decode(), end="")
libc = ctypes.CDLL(None, use_errno=True)
unspecified = (ctypes.c_char * 16)()
print(libc.connect(s.fileno(), unspecified, 16))
for target in ("127.0.0.1", ${upstream.port}), ("1.1.1.1", 80):
    try: s.connect(target); print("reached", target)
    except OSError as error: print(errno.errorcode[error.errno])
END`;
  const { stdout } = await run(l, policy, script);
  assert.match(stdout, /^control\n0\nECONNREFUSED\nENETUNREACH\n$/);
  assert.equal(upstream.accepted, 1);
});
