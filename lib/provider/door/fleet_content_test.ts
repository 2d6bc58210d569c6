/** Content in a fleet: real listeners and disks, and a gateway that counts. */
import assert from "node:assert/strict";
import { carOfBytes } from "../../../worlds/content/push_world.ts";
import { fileAt, KEY, openNode, TestFleet, type TestNode } from "../../../worlds/fleet_nodes.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { startGateway, type TestGateway } from "../../../worlds/ipfs/gateway.ts";
import * as hostile from "../../../worlds/ipfs/hostile_gateway.ts";
import { blocksOfCar, KeptBlocks } from "../../../worlds/ipfs/kept_blocks.ts";
import { type CID, formatCid, parseCid } from "../../cid.ts";
import { FETCH_FIELD } from "../../ipfs/peers.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import type { FileSink } from "../../ipfs/unixfs_stream.ts";
import { joinFleet, openPeerDoor } from "./fleet_content.ts";

const { startHostileGateway } = hostile;
const NAMES = ["n1", "n2", "n3"];
const SMALL = 5_000;
const LARGE = 3_000_000;

/** Three nodes with empty disks, and a gateway that all of them may ask. */
async function openThree(stack: AsyncDisposableStack) {
  const gateway = stack.use(await startGateway());
  const fleet = stack.use(new TestFleet());
  const [n1, n2, n3] = [
    await fleet.add("n1", { gateways: [gateway] }),
    await fleet.add("n2", { gateways: [gateway] }),
    await fleet.add("n3", { gateways: [gateway] }),
  ];
  return { gateway, fleet, n1, n2, n3 };
}

/** As a program that is too large for memory is read. */
async function stream({ fetcher }: TestNode, root: CID, maxBytes: number): Promise<number> {
  let came = 0;
  const sink: FileSink = {
    begin: () => void (came = 0),
    write: (bytes) => void (came += bytes.length),
  };
  await fetcher.streamFile!(root, { maxBytes }, sink);
  return came;
}

const carsAsked = ({ requests }: TestGateway) =>
  requests.filter(({ search }) => search.includes("format=car")).length;

for (const home of NAMES) {
  Deno.test(`what three nodes want at once a gateway is asked for once, where ${home} is home`, async () => {
    await using stack = new AsyncDisposableStack();
    const { gateway, n1, n2, n3 } = await openThree(stack);
    for (const bytes of [SMALL, LARGE]) {
      const dag = fileAt([home], NAMES, bytes);
      await gateway.put(dag.blocks);
      gateway.requests.length = 0;
      const read = await Promise.all([n1, n2, n3].map((node) => node.read(dag.root)));
      assert.deepEqual(read.map(({ length }) => length), [bytes, bytes, bytes]);
      assert.equal(gateway.requests.length, 1);
      // From then on each has its own.
      await gateway.remove(dag.root);
      for (const node of [n1, n2, n3]) await node.read(dag.root);
      assert.equal(gateway.requests.length, 1);
    }
    const counted = new Map([n1, n2, n3].map(({ name, sources }) => [name, sources]));
    for (const name of NAMES) {
      const first = name === home ? "gateways" : "peers";
      assert.deepEqual(
        counted.get(name),
        [first, "cache", "cache", first, "cache"].toSpliced(2, 1),
      );
    }
  });
}

Deno.test("a program that is too large for memory costs a gateway as much as one node's would", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, n1, n2, n3 } = await openThree(stack);
  const dag = fileAt(["n1"], NAMES, LARGE);
  await gateway.put(dag.blocks);
  for (const node of [n2, n3, n1]) {
    await assert.rejects(node.read(dag.root, 2 ** 21), {
      code: "invalid_input",
      data: { limitBytes: 2 ** 21, fileBytes: LARGE },
    });
    assert.equal(await stream(node, dag.root, LARGE), LARGE);
  }
  // The first that asked saw how large it is, and then had it.
  assert.equal(carsAsked(gateway), 2);
  assert.equal(gateway.requests.length, 2);
});

Deno.test("what no gateway has the home alone asks for, and others take its word", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, n1, n2, n3 } = await openThree(stack);
  const { root } = fileAt(["n3"], NAMES);
  for (const node of [n1, n2, n3]) await assert.rejects(node.read(root), { code: "not_found" });
  assert.equal(gateway.requests.length, 3);
  assert.deepEqual([n1, n2, n3].flatMap(({ sources }) => sources), Array(3).fill("nowhere"));
});

Deno.test("a node with an empty disk has from its peers what they have, be it the home or not", async () => {
  await using stack = new AsyncDisposableStack();
  const { gateway, fleet, n1, n2 } = await openThree(stack);
  const all = [...NAMES, "n4"];
  const files = [["n4"], ["n1", "n4"], ["n3"]].map((homes) => fileAt(homes, all, 600_000));
  for (const { root, blocks } of files) {
    await gateway.put(blocks);
    await n1.read(root);
    await n2.read(root);
    await n1.fetcher.judge(root, true);
  }
  await gateway.stop();
  const n4 = await fleet.add("n4", { gateways: [gateway] });
  for (const { root } of files) assert.equal((await n4.read(root)).length, 600_000);
  assert.deepEqual(n4.sources, ["peers", "peers", "peers"]);
});

Deno.test("where the home dies while it fetches, who waits for it asks gateways itself", async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new TestFleet());
  const dag = fileAt(["n1"], NAMES, 600_000);
  const asked: string[] = [];
  // The home's question is never answered, the other's is.
  const gateway = stack.use(startHostileGateway(dag, (exchange) => {
    asked.push(exchange.path);
    return (exchange.turn === 0 ? hostile.silence : hostile.honest)(exchange);
  }));
  const home = await fleet.add("n1", { gateways: [gateway] });
  const n2 = await fleet.add("n2", { gateways: [gateway] });
  await fleet.add("n3", { gateways: [gateway] });
  const reading = n2.read(dag.root);
  await gateway.asked;
  void home.end();
  assert.equal((await reading).length, 600_000);
  assert.deepEqual(n2.sources, ["gateways"]);
  assert.equal(asked.length, 2);
});

Deno.test("where the home dies while it sends, what is left comes from elsewhere", async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new TestFleet());
  const gateway = stack.use(await startGateway());
  const dag = fileAt(["dying", "n2"], ["dying", "n1", "n2"], 600_000);
  await gateway.put(dag.blocks);
  const dying = stack.use(startHostileGateway(dag, hostile.byFormat(hostile.reset, hostile.reset)));
  fleet.nodes.push({ name: "dying", url: dying.url });
  const n1 = await fleet.add("n1", { gateways: [gateway] });
  const n2 = await fleet.add("n2", { gateways: [gateway] });
  assert.equal((await n1.read(dag.root)).length, 600_000);
  assert.equal((await n2.read(dag.root)).length, 600_000);
  assert.deepEqual([...n1.sources, ...n2.sources], ["gateways", "peers"]);
  assert.equal(gateway.requests.length, 1);
});

Deno.test("a peer that lies is found out by every block, and asked no more", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGateway());
  for (const bytes of [SMALL, 600_000]) {
    const names = [`liar-${bytes}`, "n1"];
    const [one, other] = [0, 1].map(() => fileAt(names, names, bytes));
    await gateway.put([...one!.blocks, ...other!.blocks]);
    const liar = stack.use(startHostileGateway(one!, hostile.lie));
    const nodes = [{ name: names[0]!, url: liar.url }, { name: "n1", url: "" }];
    const n1 = stack.use(await openNode("n1", () => nodes, { gateways: [gateway] }));
    assert.equal((await n1.read(one!.root)).length, bytes);
    const lies = liar.requests.length;
    assert.ok(lies > 0);
    assert.equal((await n1.read(other!.root)).length, bytes);
    assert.equal(liar.requests.length, lies);
    assert.deepEqual(n1.sources, ["gateways", "gateways"]);
  }
});

Deno.test("two nodes that take each other for the home ask nobody in circles", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGateway());
  const [known1, known2]: [FleetNode[], FleetNode[]] = [[], []];
  const n1 = stack.use(await openNode("n1", () => known1, { gateways: [gateway] }));
  const n2 = stack.use(await openNode("n2", () => known2, { gateways: [gateway] }));
  known1.push(n2);
  known2.push(n1);
  const dag = fileAt([], NAMES, 600_000);
  await gateway.put(dag.blocks);
  const read = await Promise.all([n1, n2].map((node) => node.read(dag.root)));
  assert.deepEqual(read.map(({ length }) => length), [600_000, 600_000]);
  assert.ok(gateway.requests.length <= 2);
  await assert.rejects(n1.read(fileAt([], NAMES).root), { code: "not_found" });
});

Deno.test("what an owner pushed to one node is read at every other, without any gateway", async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new TestFleet());
  const [n1, n2, n3] = [await fleet.add("n1"), await fleet.add("n2"), await fleet.add("n3")];
  const car = carOfBytes(300_000);
  await n2.world.push(car);
  for (const node of [n1, n2, n3]) {
    assert.equal((await node.read(parseCid(car.root))).length, 300_000);
  }
  assert.deepEqual([n1, n2, n3].flatMap(({ sources }) => sources), ["peers", "kept", "peers"]);
});

Deno.test("nobody else is answered: no word, another provider's word, a word for something else", async () => {
  await using stack = new AsyncDisposableStack();
  const { n1, n2 } = await openThree(stack);
  const stranger = stack.use(await openNode("n9", () => [n1, n2], { key: `0x${"0b".repeat(32)}` }));
  const dag = fileAt(["n1", "n2"], ["n1", "n2"]);
  await n1.fetcher.readFile(dag.root, { maxBytes: 1 }).catch(() => {});
  const paths = ["/", "/healthz", `/ipfs/${formatCid(dag.root)}?format=raw`, "/ipfs/x", "/kept/x"];
  for (const path of paths) {
    for (const method of ["GET", "POST"]) {
      const response = await fetch(new URL(path, n1.url), { method });
      assert.deepEqual([response.status, (await response.json()).error], [403, "access_denied"]);
    }
  }
  await assert.rejects(stranger.read(dag.root), { code: "not_found" });
});

Deno.test("a home that fetches for a peer asks no third node: the peer has done that", async () => {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGateway());
  const fleet = stack.use(new TestFleet());
  const dag = fileAt(["n1"], NAMES, 600_000);
  await gateway.put(dag.blocks);
  const third = stack.use(startHostileGateway(dag, hostile.status("412 Precondition Failed")));
  const home = await fleet.add("n1", { gateways: [gateway] });
  const n2 = await fleet.add("n2", { gateways: [gateway] });
  fleet.nodes.push({ name: "n3", url: third.url });
  assert.equal((await n2.read(dag.root)).length, 600_000);
  assert.equal(third.requests.length, 1);
  assert.equal((await home.read(dag.root)).length, 600_000);
  assert.equal(third.requests.length, 1);
  const other = fileAt(["n1"], NAMES, 600_000);
  await gateway.put(other.blocks);
  await home.read(other.root);
  assert.equal(third.requests.length, 2, "for itself it asks all");
});

Deno.test("what was brought is given once its blocks stand in the index", async () => {
  const { root, blocks } = fileAt([], NAMES, 600_000);
  const indexed = new KeptBlocks();
  const nobody = { get: () => Promise.resolve(null) };
  const now = Date.now;
  const config = { node: "n1", listen: "127.0.0.1:0" };
  const ground = { provider: { fleet: config }, ground: { keys: { account: KEY } }, now };
  const fleet = joinFleet({ ...ground, nodes: () => [{ name: "n1", url: "" }] })!;
  const door = await openPeerDoor(fleet, {
    content: {
      kept: { ...nobody, used: nobody, ofOwner: () => null },
      takeCopy: () => Promise.resolve(false),
    },
    cached: {
      useful: nobody,
      unjudged: {
        get: (cid) => indexed.get(cid),
        settled: () => Promise.resolve(blocks.forEach((block) => indexed.put(block))),
      },
    },
    fetcher: { bring: () => Promise.resolve() },
    hasGateways: true,
    log: hearLog().log,
    isShared: false,
  });
  try {
    const headers = { authorization: fleet.pass.wordOf("n2"), [FETCH_FIELD]: "1000000" };
    const response = await fetch(`${door.url}/ipfs/${formatCid(root)}?format=car`, { headers });
    const car = await blocksOfCar(await response.bytes());
    assert.equal(car.blocks.length, blocks.length);
  } finally {
    await door.close();
  }
});
