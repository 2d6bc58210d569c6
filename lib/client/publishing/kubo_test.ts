import assert from "node:assert/strict";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { carBytes } from "../../ipfs/car.ts";
import { importFile } from "../../ipfs/dag.ts";
import { kuboNode } from "./kubo.ts";
import { gatewayReadBack } from "./read_back.ts";

const DAG = importFile(new Uint8Array(700_000).map((_, i) => i * 7 + (i >> 8) + (i >> 16)));
const noWait = () => Promise.resolve();

Deno.test("a Kubo node gets the CAR, which is all that counts as sent, and is read back", async () => {
  await using gateway = await startGateway({ token: "s3cret" });
  const kubo = { url: gateway.kuboUrl, token: "s3cret" };
  const to = kuboNode(kubo, gatewayReadBack([gateway.url], noWait));
  const sent: number[] = [];
  await to.publish(DAG, { onSent: (bytes) => sent.push(bytes) });
  assert.equal(sent[0], 0, "the form's head is none of the CAR");
  assert.equal(sent.at(-1), carBytes(DAG));
  assert.deepEqual(sent, sent.toSorted((a, b) => a - b));
  assert.deepEqual(gateway.requests.map(({ method, path }) => `${method} ${path}`), [
    "POST /api/v0/dag/import",
    `GET /ipfs/${DAG.root}`,
  ]);
  assert.deepEqual([to.name, to.flags], [
    `kubo at ${new URL(gateway.kuboUrl).host}`,
    `--kubo ${gateway.kuboUrl}`,
  ]);
});

Deno.test("what a Kubo node took, but does not come back through a gateway, is not published", async () => {
  await using gateway = await startGateway();
  await using elsewhere = await startGateway();
  const to = kuboNode({ url: gateway.kuboUrl }, gatewayReadBack([elsewhere.url], noWait));
  await assert.rejects(to.publish(DAG, { onSent() {} }), { code: "not_found" });
});
