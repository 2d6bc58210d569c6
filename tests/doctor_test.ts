/** `doctor` on a provider's machine in good health, and with one thing broken after another. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openProvider } from "../tools/devnet.ts";
import { type LocalWorld, startLocalWorld } from "../worlds/local_world.ts";

interface Finding {
  part: string;
  state: "good" | "doubtful" | "bad";
  detail: string;
  hints: string[];
}

async function doctor(world: LocalWorld): Promise<{ code: number; findings: Finding[] }> {
  const { code, stdout } = await world.run("provider", "doctor", "--json");
  return { code, findings: JSON.parse(stdout).findings };
}

/** Changes a file for as long as `check` takes. */
async function whileChanged(
  path: string,
  change: (text: string) => string,
  check: () => Promise<void>,
): Promise<void> {
  const before = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, change(before));
  await check().finally(() => Deno.writeTextFile(path, before));
}

/** Exactly `part` is bad, with this exit code; its hints say what to do. */
async function isBad(world: LocalWorld, part: string, exit: number, hint: RegExp): Promise<void> {
  const { code, findings } = await doctor(world);
  const bad = findings.filter(({ state }) => state === "bad");
  assert.deepEqual(bad.map((finding) => finding.part), [part], JSON.stringify(bad));
  assert.match([bad[0]!.detail, ...bad[0]!.hints].join("\n"), hint);
  assert.equal(code, exit);
}

Deno.test("doctor finds a healthy provider healthy, and names what is broken", async (t) => {
  await using world = await startLocalWorld();
  await openProvider(world);
  const [keysPath, configPath, termsPath] = ["keys.json", "config.json", "terms.txt"]
    .map((name) => join(world.home("provider"), name)) as [string, string, string];

  await t.step("all is well", async () => {
    const { code, findings } = await doctor(world);
    const unwell = findings.filter(({ state }) => state === "bad");
    assert.deepEqual(unwell, []);
    assert.equal(code, 0);
    const parts = findings.map(({ part }) => part.split(" ")[0]);
    const machine = ["keys", "chain", "rpc", "gateway", "sandbox", "servers", "runtimes", "state"];
    assert.deepEqual(parts, [
      ...machine,
      "terms",
      "operator",
      "collector",
      "earnings",
      "exact",
      "name",
      "dns",
      "web",
      "running",
    ]);
  });
  await t.step("a key file that others can read", async () => {
    await Deno.chmod(keysPath, 0o644);
    await isBad(world, "keys", 6, /chmod 600 .*keys\.json/)
      .finally(() => Deno.chmod(keysPath, 0o600));
  });
  await t.step("a price that the name does not say", async () => {
    const dearer = (text: string) => text.replace('"price": "1000"', '"price": "2000"');
    const says = /its price is 0\.001, here 0\.002\n.*khachapuri register/;
    await whileChanged(configPath, dearer, () => isBad(world, "name", 3, says));
  });
  await t.step("terms that nobody agreed to", async () => {
    const says = /its terms 0x[0-9a-f]{64} are not among the configured ones/;
    const other = () => "everything is different\n";
    await whileChanged(termsPath, other, () => isBad(world, "name", 3, says));
  });
  await t.step("an operator that may not settle", async () => {
    const coldKey = join(world.home("provider"), "provider-key.json");
    const { operator } = world.addresses;
    const command = (action: string) =>
      world.ask("provider", "operator", action, operator, "--keys", coldKey);
    await command("remove");
    await isBad(world, "operator", 6, new RegExp(`khachapuri operator add ${operator}`))
      .finally(() => command("add"));
  });
  await t.step("who only pays needs no gateway, and may name the contracts by flags", async () => {
    const { rpc, escrow, addresses: { provider } } = world;
    const home = await Deno.makeTempDir();
    try {
      await world.run("caller", "init", "--home", home, "--rpc", rpc);
      const args = ["doctor", "--home", home, "--json"];
      assert.equal((await world.run("caller", ...args)).code, 3);
      await world.run(
        "caller",
        "init",
        "--home",
        join(home, "2"),
        "--rpc",
        rpc,
        "--escrow",
        escrow,
      );
      const well = await world.run("caller", "doctor", "--home", join(home, "2"), "--json");
      assert.equal(well.code, 0, well.stdout);
      const wrong = ["--escrow", provider];
      const { stdout } = await world.run("caller", "doctor", "--home", join(home, "2"), ...wrong);
      assert.match(stdout, /no contract at the escrow/);
    } finally {
      await Deno.remove(home, { recursive: true });
    }
  });
  await t.step("a gateway that is gone", async () => {
    await world.gateway.stop();
    await isBad(world, `gateway ${world.gateway.url}`, 7, /it can't be reached/);
  });
});
