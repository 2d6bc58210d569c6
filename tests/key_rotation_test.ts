/** A provider's keys are lost and restored, rotated and thrown away, and what doctor says to it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address } from "viem";
import { readKeyFile } from "../lib/spec/keys.ts";
import { openAllowances, openProvider } from "../tools/devnet.ts";
import { giveEther } from "../worlds/chain/anvil_calls.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../worlds/local_world.ts";

interface Listed {
  account: string;
  identities: { recipient: string; isPublished: boolean; deployments: number }[];
  lost: { recipient: string; deployments: string[]; keptIn: string[] }[];
  earlier: string[];
}

interface Rotated {
  recipient: string;
  operator: Address;
  earlier: string;
  line: string;
}

async function deploy(world: LocalWorld): Promise<string> {
  const hello = new URL("../samples/hello", import.meta.url).pathname;
  const flags = ["--provider", NAME, "--accept-terms"];
  return (await world.ask<{ cid: string }>("developer", "deploy", hello, ...flags)).cid;
}

async function statusOf({ webDomain }: LocalWorld, cid: string): Promise<number> {
  const response = await fetch(`${webDomain}/${cid}`);
  await response.body?.cancel();
  return response.status;
}

/** Pastes the line that was told on the provider's machine, where the provider key is. */
async function paste(world: LocalWorld, line: string): Promise<void> {
  const coldKey = join(world.home("provider"), "provider-key.json");
  const [, ...words] = line.split(" ");
  await world.ask("provider", ...words, "--keys", coldKey);
}

Deno.test("keys are lost and restored, rotated and thrown away", async (t) => {
  await using world = await startLocalWorld();
  await openProvider(world);
  await openAllowances(world);
  const keysPath = join(world.home("provider"), "keys.json");
  const backup = join(world.dir, "backup.json");
  const first = await deploy(world);
  assert.equal(await statusOf(world, first), 200);
  const keys = () => world.ask<Listed>("provider", "keys");

  await t.step("what is there is listed, and no secret of it", async () => {
    const { identities: [identity], ...listed } = await keys();
    assert.equal(listed.account, world.addresses.operator);
    assert.deepEqual([identity!.isPublished, identity!.deployments], [true, 1]);
    const { stdout, stderr } = await world.run("provider", "keys");
    assert.match(stdout, /identity {2}age1pq1.*….*, first, published by .*, opens 1 deployment\n/);
    const { account, identities } = await readKeyFile(keysPath);
    const said = stdout + stderr + JSON.stringify(listed);
    for (const secret of [account!, ...identities!]) assert.ok(!said.includes(secret));
  });

  await t.step("a lost file is told with what hangs on it, and its backup mends it", async () => {
    await Deno.rename(keysPath, backup);
    const { code, stdout } = await world.run("provider", "doctor");
    assert.equal(code, 4, stdout);
    assert.match(stdout, /FAIL {2}keys: no key file[^]*from a backup:.*\(1 deployment\)/);
    await Deno.copyFile(backup, keysPath);
    await world.serve();
    assert.equal(await statusOf(world, first), 200);
  });

  let rotated: Rotated;
  let second: string;
  await t.step("after a rotation both open, and the name's line is told", async () => {
    rotated = await world.ask<Rotated>("provider", "keys", "rotate", "--operator");
    assert.notEqual(rotated.operator, world.addresses.operator);
    const before = await world.run("provider", "doctor");
    assert.match(before.stdout, /FAIL {2}operator: .* may not settle/);
    assert.match(before.stdout, /FAIL {2}name: .*it publishes an earlier recipient/);
    await paste(world, rotated.line);
    await giveEther(world.chain, rotated.operator);
    await world.serve();
    second = await deploy(world);
    assert.deepEqual([await statusOf(world, first), await statusOf(world, second)], [200, 200]);
    const { identities, earlier } = await keys();
    assert.equal(identities[0]!.recipient, rotated.recipient);
    assert.deepEqual(identities.map((each) => [each.isPublished, each.deployments]), [
      [true, 1],
      [false, 1],
    ]);
    assert.deepEqual(earlier, [rotated.earlier]);
  });

  await t.step("an identity that is thrown away takes its deployments with it", async () => {
    const { identities = [], ...rest } = await readKeyFile(keysPath);
    const [newest] = identities;
    await Deno.writeTextFile(keysPath, JSON.stringify({ ...rest, identities: [newest] }));
    await world.serve();
    assert.deepEqual([await statusOf(world, first), await statusOf(world, second)], [421, 200]);
    const { code, stdout } = await world.run("provider", "doctor");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /warn {2}identities: 1 deployment is encrypted to age1pq1\S+, whose/);
    assert.ok(stdout.includes(`answered 421: ${first}`));
    assert.ok(stdout.includes(`${rotated.earlier} has it: put the identity back`));
    assert.deepEqual((await keys()).lost.map(({ deployments }) => deployments), [[first]]);
  });

  await t.step("and comes back with them", async () => {
    const { identities } = await readKeyFile(rotated.earlier);
    const now = await readKeyFile(keysPath);
    const both = { ...now, identities: [...now.identities!, ...identities!] };
    await Deno.writeTextFile(keysPath, JSON.stringify(both));
    await world.serve();
    assert.deepEqual([await statusOf(world, first), await statusOf(world, second)], [200, 200]);
    assert.deepEqual((await keys()).lost, []);
  });

  await t.step("who only pays has no identity to rotate", async () => {
    const { code, stderr } = await world.run("developer", "keys", "rotate");
    assert.equal(code, 3);
    assert.match(stderr, /no provider's[^]*withdraw/);
  });
});
