/**
 * Publishing through js-ipfs as through any node that speaks Kubo's RPC: it has what we sent,
 * pinned and under our cids, and a provider runs it from there.
 */
import assert from "node:assert/strict";
import { blockKey, formatCid, parseCid } from "../../lib/cid.ts";
import { kuboNode } from "../../lib/client/publishing/kubo.ts";
import { publishAll } from "../../lib/client/publishing/publish_all.ts";
import { gatewayReadBack } from "../../lib/client/publishing/read_back.ts";
import { writeCar } from "../../lib/ipfs/car.ts";
import { type Dag, importFile } from "../../lib/ipfs/dag.ts";
import { pause } from "../../lib/pause.ts";
import { sealSpec } from "../../lib/spec/envelope.ts";
import { signSpec } from "../../lib/spec/signature.ts";
import { blocksOfCar } from "../../worlds/ipfs/kept_blocks.ts";
import { type Market, packFiles, startMarket } from "../../worlds/market.ts";
import { type JsIpfs, serveTrustless, startJsIpfs } from "./js_ipfs.ts";
import { JS_IPFS } from "./packages.ts";
import { withPeer } from "./with_peer.ts";

const FILES = {
  main: "#!/bin/sh\nwc -c < data\n",
  // No compression makes it one block.
  data: new Uint8Array(3_000_000).map(() => Math.random() * 256),
};

/** What `deploy` publishes: a program and its sealed spec. */
async function dagsOf(market: Market): Promise<{ program: Dag; spec: Dag }> {
  const program = importFile(await packFiles(FILES));
  const spec = await market.spec({ files: FILES });
  assert.equal(spec.program.cid, formatCid(program.root));
  const signed = await signSpec(spec, market.accounts.owner);
  return { program, spec: importFile(await sealSpec(signed, [market.recipient])) };
}

async function pinned(peer: JsIpfs): Promise<string[]> {
  const lines = new TextDecoder().decode(await peer.call("pin/ls?type=recursive"));
  return Object.keys(JSON.parse(lines).Keys);
}

async function assertThere(peer: JsIpfs, dag: Dag): Promise<void> {
  const root = formatCid(dag.root);
  const exported = await blocksOfCar(await peer.call(`dag/export?arg=${root}`));
  assert.deepEqual(exported.roots.map(formatCid), [root]);
  const bytesByKey = ({ blocks }: Pick<Dag, "blocks">) =>
    new Map(blocks.map(({ cid, bytes }) => [blockKey(cid), bytes.toHex()]));
  assert.deepEqual(bytesByKey(exported), bytesByKey(dag));
  for (const { cid, bytes } of dag.blocks) {
    assert.deepEqual(await peer.call(`block/get?arg=${formatCid(cid)}`), new Uint8Array(bytes));
  }
}

Deno.test(
  "js-ipfs as a Kubo node",
  withPeer(JS_IPFS, async (t) => {
    await using peer = await startJsIpfs();
    await using gateway = serveTrustless(peer);
    await using market = await startMarket({ gateways: [gateway.url] });
    const { program, spec } = await dagsOf(market);
    const dags = [program, spec];

    await t.step("has nothing of it before", async () => {
      assert.deepEqual(
        (await pinned(peer)).map(parseCid).map(formatCid).includes(
          formatCid(program.root),
        ),
        false,
      );
    });

    await t.step("takes a program and its spec, which are read back from it", async () => {
      const node = kuboNode({ url: peer.url }, gatewayReadBack([gateway.url], pause));
      const [copy] = await publishAll([node], dags, { onSent() {} });
      assert.equal(copy!.error, null);
    });

    await t.step("gives out every block and the CAR as they went", async () => {
      for (const dag of dags) await assertThere(peer, dag);
      const car = await peer.call(`dag/export?arg=${formatCid(program.root)}`);
      assert.ok(new Uint8Array(car).toHex() === writeCar(program).toHex(), "byte for byte");
    });

    await t.step("has pinned both, and spells their cids another way", async () => {
      const pins = await pinned(peer);
      assert.ok(pins.some((cid) => cid.startsWith("z")), pins.join());
      const known = pins.map((cid) => formatCid(parseCid(cid)));
      for (const { root } of dags) assert.ok(known.includes(formatCid(root)), pins.join());
    });

    await t.step("is where a provider runs it from", async () => {
      const answer = await market.call(formatCid(spec.root));
      assert.equal((await answer.text()).trim(), String(FILES.data.length));
    });
  }),
);
