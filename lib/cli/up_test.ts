import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type BareMachine, bareMachine } from "../../worlds/bare_machine.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { createContext } from "./context.ts";
import { KhachapuriError } from "../errors.ts";
import { createOutput } from "./output.ts";
import { setUp } from "./up.ts";
import { takeDown } from "./down.ts";
import { PROGRAM_PATH } from "./up/system_files.ts";

const KEY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const HOME = "/var/lib/khachapuri";
const FIRST = {
  name: "paolo.eth",
  domain: "paolo.example",
  price: "0.001",
  address: KEY,
  chain: "base",
  https: "proxy",
};
/** systemd has no provider to start here: `up` ends at what it says of one that ended. */
const NEVER_SERVES = /^the provider does not come up$/;

async function onMachine(test: (machine: BareMachine) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  try {
    await test(await bareMachine(root));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function up(
  machine: BareMachine,
  flags: Record<string, string | boolean>,
  rpc: string[] = [],
) {
  const world = fakeWorld([]);
  const common = { json: false, rpc, gateway: [] };
  const context = createContext(
    { ...world, env: (name) => name === "HOME" ? "/root" : undefined },
    common,
    createOutput(world, false),
    [],
  );
  machine.used.length = 0;
  const error = await setUp(context, machine, flags, 1).then(() => null, (thrown) => {
    if (thrown instanceof KhachapuriError) return thrown;
    throw thrown;
  });
  return { error, said: world.stdoutText(), used: [...machine.used], context };
}

async function editTerms({ root }: BareMachine): Promise<void> {
  const path = join(root, HOME, "terms.txt");
  const text = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, text.slice(0, text.indexOf("Everything above")));
}

/** What the machine's folder holds, but for keys and times. */
async function snapshot(root: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) await walk(path);
      else files[path.slice(root.length)] = await Deno.readTextFile(path);
    }
  };
  await walk(root);
  return files;
}

Deno.test("without a terminal all that is missing is listed at once, with its flag", () =>
  onMachine(async (machine) => {
    const { error } = await up(machine, { name: "paolo.eth", https: "http-01" });
    assert.equal(error?.code, "usage");
    for (const flag of ["--domain", "--price", "--address", "--chain", "--agree"]) {
      assert(error.hints.some((hint) => hint.startsWith(flag)), flag);
    }
    assert(!error.hints.some((hint) => hint.startsWith("--name")));
    assert.deepEqual(
      await Array.fromAsync(Deno.readDir(join(machine.root, "/etc"))).then((all) =>
        all.map(({ name }) => name)
      ),
      ["passwd"],
    );
  }));

Deno.test("a dry run tells every step with what files will say, and changes nothing", () =>
  onMachine(async (machine) => {
    const before = await snapshot(machine.root);
    const { error, said, used } = await up(machine, { ...FIRST, "dry-run": true });
    assert.equal(error, null);
    for (
      const step of [
        /^run +useradd --system/m,
        /^make +\/var\/lib\/khachapuri, mode 0711/m,
        /^install +\/usr\/local\/bin\/khachapuri$/m,
        /^ +\+ net\.ipv4\.tcp_migrate_req = 1$/m,
        /^ +provider\.price: "1000"$/m,
        /^ +\+ Delegate=yes$/m,
        /^ +\+ ListenStream=127\.0\.0\.1:8402$/m,
        /^run +systemctl start --no-block khachapuri\.service khachapuri\.socket$/m,
      ]
    ) assert.match(said, step);
    assert.deepEqual(used, []);
    assert.deepEqual(await snapshot(machine.root), before);
  }));

Deno.test("it stops on the example of the terms, goes on by the same command, then changes nothing", () =>
  onMachine(async (machine) => {
    const first = await up(machine, FIRST);
    assert.match(first.error?.shortMessage ?? "", /terms\.txt is still the example/);
    assert.match(first.error!.hints.join(), /editor .*then go on with the same command/s);
    assert(!machine.active.has("khachapuri.service"));
    const keys = join(machine.root, HOME, "keys.json");
    assert.equal((await Deno.stat(keys)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(join(machine.root, HOME))).mode! & 0o777, 0o711);

    await editTerms(machine);
    machine.says.set("doctor", { code: 1, stdout: '{"findings":[]}', stderr: "" });
    const second = await up(machine, {});
    assert.match(second.error?.shortMessage ?? "", NEVER_SERVES);
    assert.deepEqual([...machine.enabled].sort(), ["khachapuri.service", "khachapuri.socket"]);
    const third = await up(machine, { "dry-run": true });
    assert.equal(third.said, "nothing is to be changed\n");
    assert.deepEqual(third.used, []);
  }));

Deno.test("whatever step it breaks off at, the next run completes it", () =>
  onMachine(async (machine) => {
    machine.kernel.apparmorUserns = "1";
    machine.kernel.hasProfile = false;
    await Deno.remove(join(machine.root, "/usr/bin/bwrap"));
    for (
      const tool of [
        "apt-get -q update",
        "apt-get -q -y",
        "useradd",
        "apparmor_parser",
        "runuser",
        "systemctl daemon-reload",
        "systemctl enable",
        "systemctl start",
      ]
    ) {
      machine.failing = tool;
      const { error } = await up(machine, FIRST);
      if (tool.startsWith("systemctl")) await editTerms(machine).catch(() => {});
      assert(error !== null, tool);
      const isTerms = /still the example/.test(error.shortMessage);
      if (isTerms) {
        await editTerms(machine);
        await up(machine, FIRST);
      }
    }
    machine.failing = null;
    assert.match((await up(machine, FIRST)).error?.shortMessage ?? "", NEVER_SERVES);
    assert.equal((await up(machine, { "dry-run": true })).said, "nothing is to be changed\n");
    assert.equal(machine.kernel.hasProfile, true);
    assert(machine.active.has("khachapuri.service"));
  }));

/** Set up whole, with terms of its own. */
async function whole(machine: BareMachine, flags: Record<string, string | boolean> = {}) {
  const terms = join(machine.root, "terms.txt");
  await Deno.writeTextFile(terms, "I run what you deploy.\n");
  const { error } = await up(machine, { ...FIRST, terms, ...flags });
  assert.match(error?.shortMessage ?? "", NEVER_SERVES);
}

Deno.test("another answer changes what it says, and the provider is told", () =>
  onMachine(async (machine) => {
    await whole(machine);
    const { used, said } = await up(machine, { price: "0.002" }, ["https://rpc.test"]);
    assert.deepEqual(used.filter((line) => line.startsWith("systemctl")), [
      "systemctl reload khachapuri.service",
    ]);
    assert.doesNotMatch(said, /make|install|enable/);
    const config = JSON.parse(
      await Deno.readTextFile(join(machine.root, HOME, "config.json")),
    );
    assert.equal(config.provider.price, "2000");
    assert.equal(config.rpc, "https://rpc.test");
    assert.deepEqual(config.provider.trustedProxies, ["127.0.0.1", "::1"]);
    const keys = await Deno.readTextFile(join(machine.root, HOME, "keys.json"));
    await Deno.writeTextFile(machine.ownFile!, "#!/bin/sh\n# Khachapuri 0.2.0: another\n");
    const newer = await up(machine, { listen: "127.0.0.1:9000" });
    assert.match(newer.said, /^install +\/usr\/local\/bin\/khachapuri$/m);
    assert.deepEqual(newer.used.filter((line) => line.startsWith("systemctl")), [
      "systemctl stop khachapuri.service khachapuri.socket",
      "systemctl daemon-reload",
      "systemctl start --no-block khachapuri.service khachapuri.socket",
    ], "a socket moves only while nobody uses it");
    assert.equal(await Deno.readTextFile(join(machine.root, HOME, "keys.json")), keys);
  }));

Deno.test("what somebody has changed by hand stops it by name, or is left as it is", () =>
  onMachine(async (machine) => {
    await whole(machine);
    const unit = "/etc/systemd/system/khachapuri.service";
    const path = join(machine.root, unit);
    const mine = `${await Deno.readTextFile(path)}MemoryMax=1G\n`;
    await Deno.writeTextFile(path, mine);
    for (const flags of [{}, { price: "3" }]) {
      const { error, used } = await up(machine, flags);
      assert.match(error?.shortMessage ?? "", new RegExp(`somebody has changed ${unit}`));
      assert.deepEqual(used, []);
    }
    await up(machine, { price: "3", keep: true });
    assert.equal(await Deno.readTextFile(path), mine);
    const { error } = await down(machine, {});
    assert.match(error?.shortMessage ?? "", /somebody has changed .*khachapuri\.service/);
    assert(machine.active.has("khachapuri.service"));
  }));

Deno.test("a home of something else, other terms, and the example as terms are refused", () =>
  onMachine(async (machine) => {
    const terms = join(machine.root, "example.txt");
    await Deno.writeTextFile(terms, "x\n");
    await Deno.mkdir(join(machine.root, HOME), { recursive: true });
    await Deno.writeTextFile(join(machine.root, HOME, "photo.jpg"), "");
    assert.match((await up(machine, FIRST)).error?.shortMessage ?? "", /something else/);
    await Deno.remove(join(machine.root, HOME, "photo.jpg"));
    await up(machine, FIRST);
    const example = join(machine.root, HOME, "terms.txt");
    const refused = await up(machine, { terms: example });
    assert.match(refused.error?.shortMessage ?? "", /still the example/);
    await editTerms(machine);
    const other = await up(machine, { terms });
    assert.match(other.error?.shortMessage ?? "", /other terms already/);
    assert.match(other.error!.hints.join(), /init --home .* --terms FILE/);
  }));

async function down(machine: BareMachine, flags: Record<string, boolean>) {
  const world = fakeWorld([]);
  const env = (name: string) => name === "HOME" ? "/root" : undefined;
  const out = createOutput(world, false);
  const common = { json: false, rpc: [], gateway: [] };
  const context = createContext({ ...world, env }, common, out, []);
  const given = { "dry-run": false, keep: false, unsettled: false, ...flags };
  const error = await takeDown(context, machine, given).then(() => null, (thrown) => {
    if (thrown instanceof KhachapuriError) return thrown;
    throw thrown;
  });
  return { error, said: world.stdoutText() };
}

Deno.test("down takes all of it away but what is worth something, and only once all is settled", () =>
  onMachine(async (machine) => {
    machine.kernel.apparmorUserns = "1";
    machine.kernel.hasProfile = false;
    const before = await snapshot(machine.root);
    await whole(machine);
    machine.says.set("doctor", { code: 1, stdout: '{"findings":[]}', stderr: "" });
    machine.says.set("settle", {
      code: 7,
      stdout: '{"unsettled":"1500","error":"chain_unavailable","message":"no"}',
      stderr: "",
    });
    const told = await down(machine, { "dry-run": true });
    assert.match(told.said, /^remove +\/etc\/apparmor\.d\/khachapuri$/m);
    const refused = await down(machine, {});
    assert.match(
      refused.error?.shortMessage ?? "",
      /0\.0015 USDC .* not settled; nothing was done/,
    );
    assert(machine.active.has("khachapuri.service"));

    machine.says.set("settle", { code: 0, stdout: '{"unsettled":"0"}', stderr: "" });
    const { error, said } = await down(machine, {});
    assert.equal(error, null);
    assert.match(
      said,
      /the provider is down\nleft +\/var\/lib\/khachapuri: keys.*\nunsettled 0 USDC/,
    );
    assert.deepEqual([...machine.active, ...machine.enabled], []);
    assert.equal(machine.kernel.hasProfile, false);
    const after = await snapshot(machine.root);
    const added = Object.keys(after).filter((path) => !(path in before) && path !== "/terms.txt");
    assert.deepEqual(
      added.map((path) => path.slice(0, HOME.length)).filter((path) => path !== HOME),
      ["/usr/sbin/apparmor_parser"].map((path) => path.slice(0, HOME.length)),
    );
    assert(added.includes(`${HOME}/keys.json`));
    assert.match((await down(machine, {})).said, /nothing was to be taken down/);
  }));

Deno.test("down takes away what upgrades have left beside the program, and nobody else's", () =>
  onMachine(async (machine) => {
    await whole(machine);
    machine.says.set("settle", { code: 0, stdout: '{"unsettled":"0"}', stderr: "" });
    const program = join(machine.root, PROGRAM_PATH);
    const ours = ["", ".previous", ".previous.before", ".new"].map((end) => `${program}${end}`);
    for (const path of ours) await Deno.writeTextFile(path, "#!/bin/sh\n# Khachapuri 0.1.0: …");
    await Deno.writeTextFile(`${program}.aside`, "#!/bin/sh\n# somebody's\n");
    assert.equal((await down(machine, {})).error, null);
    const left = await Array.fromAsync(Deno.readDir(dirname(program)), ({ name }) => name);
    assert.deepEqual(left, ["khachapuri.aside"]);
    assert.match((await down(machine, {})).said, /nothing was to be taken down/);
  }));

Deno.test("what the provider's user writes into config.json adds no line to a unit of root's", () =>
  onMachine(async (machine) => {
    await up(machine, FIRST);
    await editTerms(machine);
    await up(machine, {});
    const path = join(machine.root, HOME, "config.json");
    const config = JSON.parse(await Deno.readTextFile(path));
    for (const listen of ["443\nExecStartPre=/bin/sh -c id\n#:1", "/etc/x:1", "%h:1", "@x:1"]) {
      config.provider.listen = listen;
      await Deno.writeTextFile(path, JSON.stringify(config));
      const { error, used } = await up(machine, { price: "0.002" });
      assert.match(error?.shortMessage ?? "", /listen|not ADDRESS:PORT/, listen);
      assert.deepEqual(used, [], listen);
    }
    const unit = join(machine.root, "/etc/systemd/system/khachapuri.socket");
    assert.match(await Deno.readTextFile(unit), /^ListenStream=127\.0\.0\.1:8402\nService=/m);
  }));

Deno.test("only root sets a machine up, and only in a folder of the provider's own", () =>
  onMachine(async (machine) => {
    const other = { ...machine, uid: 1000 };
    assert.equal((await up(other, FIRST)).error?.code, "access_denied");
    assert.equal((await down(other, {})).error?.code, "access_denied");
  }));
