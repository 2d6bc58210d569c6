import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { formatCid } from "../../cid.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { importFile } from "../../ipfs/dag.ts";
import { addDeployment, notePublished, noteStopped } from "../deployments_file.ts";
import { keepUnpublished, readUnpublished, sweepUnpublished } from "./unpublished.ts";

const BYTES = 2_000;
const dagOf = (seed: number) =>
  importFile(new Uint8Array(BYTES).map((_, at) => seed * 16 + Math.floor(at / 500)), {
    chunkBytes: 500,
    widthMax: 4,
  });
const cidOf = ({ root }: Dag) => formatCid(root);

/** Signs a deployment, which gets nowhere. */
async function fail(home: string, spec: Dag, program: Dag, bytesMax?: number) {
  await addDeployment(home, {
    cid: cidOf(spec),
    id: `0x${"12".repeat(32)}`,
    owner: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
    program: { cid: cidOf(program), private: false },
    createdAt: "2026-01-01T00:00:00.000Z",
    unpublished: true,
    providers: [{
      name: "paolo.test",
      address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
      chainId: 31_337,
      escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
      webDomain: "https://paolo.test",
      price: 1_000n,
      epoch: 0,
    }],
  });
  await keepUnpublished(home, [program, spec], bytesMax);
}

async function isKept(home: string, dag: Dag): Promise<boolean> {
  const read = await readUnpublished(home, dag.root, 2 * BYTES);
  if (read !== null) assert.deepEqual(read, dag);
  return read !== null;
}

Deno.test("what got nowhere is kept until it is published, or stopped, for its user alone", () =>
  inFolder(async (home) => {
    const [program, one, two] = [1, 2, 3].map(dagOf) as [Dag, Dag, Dag];
    assert.equal(await isKept(home, one), false);
    await fail(home, one, program);
    await fail(home, two, program);
    const { mode } = await Deno.stat(join(home, "unpublished", `${cidOf(one)}.car`));
    assert.equal(mode! & 0o777, 0o600);
    await notePublished(home, cidOf(one));
    await sweepUnpublished(home);
    assert.deepEqual(
      [await isKept(home, one), await isKept(home, two), await isKept(home, program)],
      [false, true, true],
    );
    await noteStopped(home, cidOf(two), "paolo.test", "2026-01-02T00:00:00.000Z");
    await sweepUnpublished(home);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(join(home, "unpublished"))), []);
  }));

Deno.test("of too much the oldest goes", () =>
  inFolder(async (home) => {
    const dags = [1, 2, 3, 4, 5].map(dagOf);
    const [program, ...specs] = dags as [Dag, ...Dag[]];
    for (const spec of specs) await fail(home, spec, program, 4 * BYTES);
    const kept = await Promise.all(specs.map((spec) => isKept(home, spec)));
    assert.deepEqual(kept, [false, false, true, true]);
    assert.ok(await isKept(home, program));
  }));
