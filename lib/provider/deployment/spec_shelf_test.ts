import assert from "node:assert/strict";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { OPEN_SPEC_BYTES_LEAST, OPEN_SPECS_BYTES_MAX } from "../../limits_of_sandboxes.ts";
import type { Deployment } from "./deployment.ts";
import { SpecShelf } from "./spec_shelf.ts";

const cid = (index: number) => `bafy${index}` as CidText;

async function deployments(count: number, fields = {}): Promise<Deployment[]> {
  const spec = await sampleSpec({ fields });
  return Array.from({ length: count }, (_, index) => ({
    cid: cid(index),
    spec,
    entry: spec.providers[0]!,
    recipient: "age1…",
  }));
}

Deno.test("what was laid aside is sealed, and the same when it is wanted", async () => {
  const [one, two] = await deployments(2) as [Deployment, Deployment];
  const shelf = new SpecShelf({ open: OPEN_SPEC_BYTES_LEAST, sealed: 1e6 });
  shelf.put(one);
  assert.equal(shelf.get(one.cid), one);
  shelf.put(two);
  assert.equal(shelf.figures().unsealed, 0);
  const back = shelf.get(one.cid)!;
  assert.deepEqual(back, one);
  assert.equal(back.entry, back.spec.providers[0], "its entry is the spec's own");
  assert.notEqual(back, one);
  assert.equal(shelf.get(one.cid), back);
  assert.deepEqual(shelf.figures().unsealed, 1);
  assert.equal(shelf.get(cid(9)), null);
});

Deno.test("both shelves are bounded in bytes, whatever the specs' size", async () => {
  const large = await deployments(40, { env: { BIG: "x".repeat(40_000) } });
  const shelf = new SpecShelf({ open: 200_000, sealed: 1_000_000 });
  for (const deployment of large) {
    shelf.put(deployment);
    const { openBytes, sealedBytes } = shelf.figures();
    assert.ok(openBytes <= 200_000 && sealedBytes <= 1_000_000, `${openBytes} ${sealedBytes}`);
  }
  const known = large.filter(({ cid }) => shelf.get(cid) !== null);
  assert.ok(known.length >= 20 && known.length < 30, `${known.length} of 40`);
  assert.equal(shelf.get(large[0]!.cid), null, "the longest unused goes first");
});

Deno.test("a scan of more than may lie open unseals each once, and decrypts none", async () => {
  const many = await deployments(2_000);
  const shelf = new SpecShelf();
  for (const deployment of many) shelf.put(deployment);
  const most = OPEN_SPECS_BYTES_MAX / OPEN_SPEC_BYTES_LEAST;
  assert.ok(most < many.length);
  for (const { cid } of many) assert.notEqual(shelf.get(cid), null);
  assert.equal(shelf.figures().unsealed, many.length);
});
