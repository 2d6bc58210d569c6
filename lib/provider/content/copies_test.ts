/** What owners pushed to one node, on the disks of real nodes. */
import assert from "node:assert/strict";
import { carOfBytes, OTHER, OWNER, pushOf } from "../../../worlds/content/push_world.ts";
import { KEY, TestFleet, type TestNode } from "../../../worlds/fleet_nodes.ts";
import { type CidText, parseCid } from "../../cid.ts";
import { homesOf } from "../../ipfs/rendezvous.ts";
import { Copies } from "./copies.ts";
import { PeerPass } from "./peer_pass.ts";

const HOUR_MS = 3_600_000;
const KIB = 1024;

async function openFleet(stack: AsyncDisposableStack, names = ["n1", "n2", "n3"]) {
  const fleet = stack.use(new TestFleet());
  const nodes: TestNode[] = [];
  for (const name of names) nodes.push(await fleet.add(name));
  const hours = (count: number) => nodes.forEach(({ world }) => world.hours(count));
  const sweep = async () => {
    for (const { copies } of nodes) await copies.sweep();
  };
  /** Who keeps it, the home first. */
  const keepersOf = (root: CidText) =>
    homesOf(parseCid(root), nodes).filter(({ world }) => world.kept.index.find(root)).map((
      { name },
    ) => name);
  return { fleet, nodes, hours, sweep, keepersOf };
}

const rows = ({ world }: TestNode) =>
  world.kept.index.keepers().map(({ owner, protectedAt }) => [owner, protectedAt]);

Deno.test("what comes is soon kept by a second node, the home before others, and by no third", async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes, hours, sweep, keepersOf } = await openFleet(stack);
  for (const [index, origin] of nodes.entries()) {
    const car = carOfBytes(300 * KIB, 10 + index);
    await origin.world.push(car);
    origin.copies.note(car.root);
    await origin.copies.sweep();
    const [first, second] = homesOf(parseCid(car.root), nodes);
    const other = origin.name === first!.name ? second! : first!;
    const expected = [origin.name, other.name].sort();
    assert.deepEqual(keepersOf(car.root).sort(), expected);
    assert.deepEqual(other.world.parts.diskBytes(), 0, "an offer leaves nothing behind");
    const bytes = await other.world.kept.readFile(parseCid(car.root), 2 ** 20);
    assert.equal(bytes?.length, 300 * KIB);
    for (let turn = 0; turn < 4; turn++) {
      await sweep();
      hours(1);
    }
    assert.deepEqual(keepersOf(car.root).sort(), expected);
  }
});

Deno.test("a copy is its owner's, and kept as long as the original: it lengthens nothing by itself", async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes: [n1, n2], hours, sweep } = await openFleet(stack, ["n1", "n2"]);
  const car = carOfBytes(10 * KIB);
  await n1!.world.push(car);
  const pushedAt = n1!.world.clock.now();
  await sweep();
  assert.deepEqual(rows(n2!), [[OWNER, pushedAt]]);
  hours(3);
  await sweep();
  assert.deepEqual([rows(n1!), rows(n2!)], [[[OWNER, pushedAt]], [[OWNER, pushedAt]]]);
  await n1!.world.push(car, pushOf(car));
  hours(1);
  await sweep();
  assert.deepEqual(rows(n2!), [[OWNER, pushedAt + 3 * HOUR_MS]]);
  // Once for each owner, and its bytes once.
  await n1!.world.push(car, pushOf(car, { owner: OTHER }));
  await sweep();
  assert.deepEqual(rows(n2!).map(([owner]) => owner).sort(), [OWNER, OTHER].sort());
  assert.equal(n2!.world.kept.count(), 1);
});

Deno.test("what a lost disk had is read from the copy, which is copied again", async () => {
  await using stack = new AsyncDisposableStack();
  const { fleet, nodes, keepersOf } = await openFleet(stack);
  const car = carOfBytes(300 * KIB, 20);
  const origin = nodes[0]!;
  await origin.world.push(car);
  await origin.copies.sweep();
  const [holder] = keepersOf(car.root).filter((name) => name !== origin.name);
  await origin.end();
  fleet.forget(origin);
  nodes.splice(0, 1);
  for (const node of nodes) assert.equal((await node.read(parseCid(car.root))).length, 300 * KIB);
  assert.deepEqual(keepersOf(car.root), [holder]);
  for (const { copies } of nodes) await copies.sweep();
  assert.equal(keepersOf(car.root).length, 2);
});

Deno.test("a node that comes back with an empty disk under its name has it again within an hour", async () => {
  await using stack = new AsyncDisposableStack();
  const { fleet, nodes, hours, sweep, keepersOf } = await openFleet(stack, ["n1", "n2"]);
  const car = carOfBytes(300 * KIB, 21);
  await nodes[0]!.world.push(car);
  await sweep();
  await sweep();
  fleet.forget(nodes[0]!);
  await nodes[0]!.end();
  nodes[0] = await fleet.add("n1");
  hours(1);
  await sweep();
  assert.deepEqual(keepersOf(car.root).sort(), ["n1", "n2"]);
});

Deno.test("a copy is found wherever it is, by a process that knows of none, and no other is made", async () => {
  await using stack = new AsyncDisposableStack();
  const { fleet, nodes: [n1, n2] } = await openFleet(stack, ["n1", "n2"]);
  const cars = [30, 31, 32, 33].map((seed) => carOfBytes(10 * KIB, seed));
  for (const car of cars) await n1!.world.push(car);
  await n1!.copies.sweep();
  // Of some of them it is the first that would be asked.
  const n0 = await fleet.add("n0");
  assert.ok(cars.some(({ root }) => homesOf(parseCid(root), [n0, n2!])[0] === n0));
  for (const { world: { kept, clock: { now } }, heard: { log }, name } of [n1!, n2!]) {
    const pass = new PeerPass(KEY);
    await using again = new Copies({ kept, node: name, nodes: () => fleet.nodes, pass, log, now });
    await again.sweep();
  }
  assert.equal(n0.world.kept.count(), 0);
});

Deno.test("where one node is full another takes it, and where all are it is said", async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new TestFleet());
  const origin = await fleet.add("n1");
  const car = carOfBytes(300 * KIB, 23);
  await origin.world.push(car);
  const full = await fleet.add("n2", { bytesMax: 100 * KIB });
  await origin.copies.sweep();
  assert.equal(full.world.kept.count(), 0);
  assert.match(origin.heard.lines.join(), /what is kept here has no copy.*"roots":1/);
  const free = await fleet.add("n3");
  await origin.copies.sweep();
  assert.deepEqual([full.world.kept.count(), free.world.kept.count()], [0, 1]);
});

Deno.test("a node that is alone, or told of nobody, copies nothing and complains of nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const { fleet, nodes: [n1] } = await openFleet(stack, ["n1"]);
  await n1!.world.push(carOfBytes(10 * KIB, 24));
  await n1!.copies.sweep();
  fleet.forget(n1!);
  await n1!.copies.sweep();
  assert.doesNotMatch(n1!.heard.lines.join(), /copy/);
});

Deno.test("its end breaks off what is under way", async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new TestFleet());
  const n1 = await fleet.add("n1");
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  stack.defer(() => silent.close());
  const { port } = silent.addr as Deno.NetAddr;
  fleet.nodes.push({ name: "n2", url: `http://127.0.0.1:${port}` });
  await n1.world.push(carOfBytes(10 * KIB, 25));
  const sweeping = n1.copies.sweep();
  const connection = await silent.accept();
  await n1.copies[Symbol.asyncDispose]();
  await sweeping;
  connection.close();
});
