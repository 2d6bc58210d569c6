import assert from "node:assert/strict";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { formatCid } from "../cid.ts";
import { kuboNode } from "../client/publishing/kubo.ts";
import { gatewayReadBack } from "../client/publishing/read_back.ts";
import { importFile } from "../ipfs/dag.ts";
import { copiesJson, copyFailure, publishShown } from "./copies.ts";
import { createOutput } from "./output.ts";

const DAG = importFile(new Uint8Array(300_000).map((_, i) => i * 7 + (i >> 8)));
const CID = formatCid(DAG.root);
const GONE = "http://127.0.0.1:1";

async function shown(urls: readonly string[], gateway: string) {
  const world = fakeWorld([]);
  const readBack = gatewayReadBack([gateway], () => Promise.resolve());
  const places = urls.map((url) => kuboNode({ url }, readBack));
  const copies = await publishShown(createOutput(world, false), CID, places, [DAG]);
  return { copies, err: world.stderrText() };
}

Deno.test("each place is told, and of one that failed why, and how to try it again", async () => {
  await using gateway = await startGateway();
  const { copies, err } = await shown([gateway.kuboUrl, GONE], gateway.url);
  const { host } = new URL(gateway.url);
  assert.match(err, new RegExp(`^published +kubo at ${host}$`, "m"));
  assert.match(err, /^not published to kubo at 127\.0\.0\.1:1: .* \(ipfs_unavailable\)$/m);
  assert.match(err, new RegExp(`^ +to try again: khachapuri publish ${CID} --kubo ${GONE}$`, "m"));
  assert.deepEqual(copiesJson(copies).map((copy) => ({ ...copy, error: null })), [
    { to: `kubo at ${host}`, ok: true, error: null },
    { to: "kubo at 127.0.0.1:1", ok: false, error: null },
  ]);
  const failure = copyFailure(CID, copies)!;
  assert.equal(failure.code, "ipfs_unavailable");
  assert.match(failure.message, /^not published to kubo at 127\.0\.0\.1:1: /);
  assert.equal(failure.hints.at(-1), `to try again: khachapuri publish ${CID} --kubo ${GONE}`);
});

Deno.test("where all is well nothing failed, and one failure alone is told once, at the end", async () => {
  await using gateway = await startGateway();
  const well = await shown([gateway.kuboUrl], gateway.url);
  assert.equal(copyFailure(CID, well.copies), null);
  const alone = await shown([GONE], gateway.url);
  assert.equal(alone.err, "");
  assert.equal(copyFailure(CID, alone.copies)!.code, "ipfs_unavailable");
});
