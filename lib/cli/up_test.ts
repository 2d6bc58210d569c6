import assert from "node:assert/strict";
import { join } from "node:path";
import { type BareMachine, bareMachine } from "../../worlds/bare_machine.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { createContext } from "./context.ts";
import { KhachapuriError } from "../errors.ts";
import { createOutput } from "./output.ts";
import { setUp } from "./up.ts";
import { takeDown } from "./down.ts";

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
