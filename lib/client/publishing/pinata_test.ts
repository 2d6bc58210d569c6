import assert from "node:assert/strict";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { startPinata } from "../../../worlds/ipfs/pinata.ts";
import { formatCid } from "../../cid.ts";
import { carBytes } from "../../ipfs/car.ts";
import { importFile } from "../../ipfs/dag.ts";
import { pinata } from "./pinata.ts";
import { gatewayReadBack } from "./read_back.ts";

const JWT = "header.claims.signature";
const DAG = importFile(new Uint8Array(2_500_000).map((_, i) => i * 7 + (i >> 8) + (i >> 16)));
const noWait = () => Promise.resolve();
const silent = { onSent() {} };

Deno.test("Pinata takes the CAR as it documents, and what it took is read back", async () => {
  await using gateway = await startGateway();
  await using service = startPinata({ jwt: JWT, gateway });
  const sent: number[] = [];
  const to = pinata({ url: service.url, token: JWT }, gatewayReadBack([gateway.url], noWait));
  await to.publish(DAG, { onSent: (bytes) => sent.push(bytes) });
  assert.deepEqual(service.uploaded, [formatCid(DAG.root)]);
  assert.equal(sent.at(-1), carBytes(DAG));
  assert.ok(gateway.requests.some(({ path }) => path.endsWith(formatCid(DAG.root))));
});

Deno.test("another cid is refused, and content that does not come back", async () => {
  await using gateway = await startGateway();
  await using elsewhere = await startGateway();
  const wrongCid = formatCid(importFile(new Uint8Array(3)).root);
  await using wrong = startPinata({ jwt: JWT, gateway, wrongCid });
  const read = gatewayReadBack([elsewhere.url], noWait);
  await assert.rejects(pinata({ url: wrong.url, token: JWT }, read).publish(DAG, silent), {
    code: "ipfs_mismatch",
    message: new RegExp(wrongCid),
  });
  await using service = startPinata({ jwt: JWT, gateway });
  await assert.rejects(pinata({ url: service.url, token: JWT }, read).publish(DAG, silent), {
    code: "not_found",
    message: /it was taken, but does not come back/,
  });
});

Deno.test("a JWT that is not taken is said so, and never shown, though the service says it back", async () => {
  await using gateway = await startGateway();
  await using service = startPinata({ jwt: JWT, gateway });
  const to = pinata({ url: service.url, token: "an.other.jwt" }, () => Promise.resolve());
  await assert.rejects(to.publish(DAG, silent), (error: { code: string; message: string }) => {
    assert.equal(error.code, "access_denied");
    assert.match(error.message, /it wants another key \(HTTP 401\): .*No matching credentials/);
    assert.doesNotMatch(error.message, /an\.other\.jwt/);
    return true;
  });
});

Deno.test("no JWT goes where others could read it, and nothing too large goes at all", async () => {
  const readBack = () => Promise.resolve();
  assert.throws(() => pinata({ url: "http://pinata.example", token: JWT }, readBack), {
    code: "invalid_config",
  });
  // Views of one block, so that nobody holds as much.
  const block = { cid: DAG.root, bytes: new Uint8Array(1_000_000) };
  const large = { root: DAG.root, blocks: Array.from({ length: 95 }, () => block) };
  const to = pinata({ url: "http://127.0.0.1:1", token: JWT }, readBack);
  await assert.rejects(to.publish(large, silent), { code: "body_too_large" });
});
