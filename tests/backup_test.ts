/** A provider's machine is lost, and goes on from its backup, by the command line. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openAllowances, openProvider } from "../tools/devnet.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../worlds/local_world.ts";

const BATCH = { mode: "batch", intervalSeconds: 360 };

interface Row {
  kind: string;
  credits: string | null;
}

async function call({ webDomain }: LocalWorld, cid: string): Promise<void> {
  const response = await fetch(`${webDomain}/${cid}`);
  assert.deepEqual([response.status, await response.text()], [200, "gamarjoba, world\n"]);
}

async function rowsOf(world: LocalWorld, kind: string): Promise<Row[]> {
  const { entries: rows } = await world.ask<{ entries: Row[] }>("provider", "ledger");
  return rows.filter((row) => row.kind === kind);
}

Deno.test("a machine is backed up while it serves, lost, and goes on from its backup", async (t) => {
  await using world = await startLocalWorld({ settlement: BATCH });
  await openProvider(world);
  await openAllowances(world);
  const hello = new URL("../samples/hello", import.meta.url).pathname;
  const flags = ["--provider", NAME, "--accept-terms"];
  const { cid } = await world.ask<{ cid: string }>("developer", "deploy", hello, ...flags);
  const home = world.home("provider");
  const file = join(world.dir, "backup.tar.gz");
  for (let i = 0; i < 3; i++) await call(world, cid);

  await t.step("a backup is made while calls are served, for its user alone", async () => {
    type Made = { files: number; isEncrypted: boolean };
    const made = await world.ask<Made>("provider", "backup", file);
    assert(made.files > 5 && !made.isEncrypted);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  });

  await t.step("no backup is written over, and none is half there", async () => {
    const { code, stderr } = await world.run("provider", "backup", file);
    assert.equal(code, 3);
    assert.match(stderr, /is there already/);
    const nowhere = await world.run("provider", "backup", join(world.dir, "nowhere", "x"));
    assert.equal(nowhere.code, 4, nowhere.stderr);
    const names = await Array.fromAsync(Deno.readDir(world.dir), ({ name }) => name);
    assert.deepEqual(names.filter((name) => name.endsWith(".partial")), []);
    const inHome = await Array.fromAsync(Deno.readDir(home), ({ name }) => name);
    assert.deepEqual(inHome.filter((name) => name.startsWith(".backup-")), []);
  });

  await t.step("nothing is restored under a provider that runs", async () => {
    const { code, stderr } = await world.run("provider", "restore", file, "--replace");
    assert.equal(code, 6);
    assert.match(stderr, /another provider uses/);
    await call(world, cid);
  });

  await t.step("after it is lost, its backup serves, and nobody is charged twice", async () => {
    await call(world, cid);
    // Stopping it settles what it had charged: five.
    await world.stop();
    await Deno.rename(home, `${home}.lost`);
    const restored = await world.ask<{ provider: string }>("provider", "restore", file);
    assert.equal(restored.provider, NAME);
    assert.equal((await rowsOf(world, "charge")).length, 3, "of the time of the backup");
    await world.serve();
    await call(world, cid);
    await world.ask("provider", "settle");
    // What was settled since the backup is not in its book: the payer has it to its credit again.
    const settled = (await rowsOf(world, "settle")).map(({ credits }) => credits);
    assert.deepEqual(settled, ["5"]);
    await call(world, cid);
    await call(world, cid);
    await world.ask("provider", "settle");
    assert.equal((await rowsOf(world, "settle")).at(-1)?.credits, "6", "eight calls, six credits");
  });

  await t.step("restored again, what is there is put aside, and told", async () => {
    await world.stop();
    const refused = await world.run("provider", "restore", file);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /has files in it/);
    type Restored = { asidePath: string };
    const { asidePath } = await world.ask<Restored>("provider", "restore", file, "--replace");
    assert((await Deno.stat(join(asidePath, "keys.json"))).isFile);
    await world.serve();
    await call(world, cid);
  });
});
