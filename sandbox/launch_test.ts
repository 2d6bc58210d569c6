import assert from "node:assert/strict";
import { bwrapArguments, hostArguments, nsjailArguments } from "./launch.ts";

const limits = { timeoutMs: 5_000, memoryMb: 256, stdoutBytes: 1e6, stderrBytes: 1e4 };

/** Whether `part` stands in `args`, in one piece. */
const has = (args: readonly string[], ...part: string[]) =>
  args.some((_, at) => part.every((word, index) => args[at + index] === word));

Deno.test("bwrap unshares every namespace and leaves init three capabilities", () => {
  const args = bwrapArguments({ programDir: "/srv/p", limits });
  for (const kind of ["user", "ipc", "pid", "net", "uts"]) assert(has(args, `--unshare-${kind}`));
  assert(has(args, "--disable-userns", "--assert-userns-disabled"));
  const capabilities = args.filter((_, at) => /^--cap/.test(args[at - 1] ?? ""));
  assert.deepEqual(capabilities, ["ALL", "CAP_SYS_ADMIN", "CAP_SETPCAP", "CAP_SYS_PTRACE"]);
  assert(args.indexOf("ALL") < args.indexOf("CAP_SYS_ADMIN"), "dropped before any is added");
});

Deno.test("bwrap mounts the program and the system read-only, and seals the root last", () => {
  const args = bwrapArguments({ programDir: "/srv/p", limits }, "/srv/etc");
  for (const [from, to] of [["/srv/p", "/app"], ["/usr", "/usr"], ["/srv/etc", "/etc"]]) {
    assert(has(args, "--ro-bind", from!, to!), to);
  }
  assert(!args.includes("--bind"));
  assert.deepEqual(args.slice(-2), ["--remount-ro", "/"]);
});

Deno.test("what an ordinary machine has besides are links: a run copies no mount for it", () => {
  const policy = { programDir: "/srv/p", limits };
  const bwrap = bwrapArguments(policy, "/srv/etc");
  const nsjail = nsjailArguments(policy, "/srv/etc");
  for (const path of ["/var/tmp", "/run/lock", "/var/lib/php/sessions"]) {
    assert(has(bwrap, "--symlink", "/tmp", path), path);
    assert(has(nsjail, "--symlink", `/tmp:${path}`), path);
  }
  const binds = (args: readonly string[]) => args.filter((word) => /^--(ro-|bind)/.test(word));
  assert.equal(binds(bwrap).length, 3);
  assert.equal(binds(nsjail).filter((word) => word === "--bindmount_ro").length, 3);
});

Deno.test("an unprivileged host names no uid, and a launcher elsewhere is the one that starts", () => {
  const host = { launcher: "bwrap", launcherPath: "/opt/bwrap", runUid: null } as const;
  const args = hostArguments(host, { programDir: "/srv/p", limits }, null);
  assert.deepEqual(args.slice(0, 8), [
    "host",
    "-",
    "268435456",
    "64",
    "100",
    "0",
    "-",
    "/opt/bwrap",
  ]);
});

Deno.test("nsjail gets the same view: its argument list", () => {
  const policy = { programDir: "/srv/p", limits };
  const args = hostArguments({ launcher: "nsjail", runUid: 1000 }, policy, 1000).join(" ");
  assert.match(args, /^host 1000 268435456 64 100 0 - \/usr\/bin\/nsjail /);
  assert.match(args, /--bindmount_ro \/srv\/p:\/app/);
  assert.match(args, /--user 65534 --group 65534/);
  assert.match(args, /--pass_fd 3 --pass_fd 4 --cap CAP_SYS_ADMIN/);
  assert.match(args, / -- \/proc\/self\/fd\/4 inside$/);
});

Deno.test("with a way out both launchers give init a network's rights, and the socket to its relay", () => {
  const egress = {
    hosts: ["api.test:443"],
    overrides: {},
    connections: 4,
    connectionsPerSecond: 4,
    bytesPerSecond: 1e6,
    connectMs: 1_000,
    idleMs: 1_000,
  };
  const policy = { programDir: "/srv/p", limits, egress };
  const bwrap = bwrapArguments(policy).join(" ");
  const nsjail = nsjailArguments(policy).join(" ");
  for (const name of ["CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"]) {
    assert.match(bwrap, new RegExp(`--cap-add ${name} `));
    assert.match(nsjail, new RegExp(`--cap ${name} `));
    assert(!bwrapArguments({ programDir: "/srv/p", limits }).includes(name));
    assert(!nsjailArguments({ programDir: "/srv/p", limits }).includes(name));
  }
  assert.match(nsjail, /--pass_fd 3 --pass_fd 4 --pass_fd 5 /);
  // Its bytes are read before the first frame, so the helper is told how many there are.
  const args = hostArguments({ launcher: "bwrap", runUid: 1000 }, policy, 1000);
  assert.equal(args[5], String(32 + "api.test:443".length + 1));
});

Deno.test("a path that nsjail would cut at its colon is refused", () => {
  const policy = { programDir: "/srv/a:b", limits };
  assert.throws(() => hostArguments({ launcher: "nsjail", runUid: 1000 }, policy, 1000), {
    code: "sandbox_unavailable",
  });
});
