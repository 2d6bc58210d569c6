import assert from "node:assert/strict";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import { gatewayReadBack, readBackWith } from "./read_back.ts";

const DAG = importFile(new Uint8Array(1_000).fill(3));

/** A gateway that has the content from the given read on, and what was done. */
function slow(foundAt: number, code: "not_found" | "ipfs_mismatch" = "not_found") {
  const events: string[] = [];
  let reads = 0;
  const readBack = readBackWith({
    read: () => {
      events.push("read");
      if (++reads < foundAt) return Promise.reject(new KhachapuriError(code, "no"));
      return Promise.resolve();
    },
    wait: (ms) => Promise.resolve(void events.push(`wait ${ms}`)),
  });
  return { readBack, events };
}

Deno.test("gateways that need a moment are waited for, and read once for all who ask", async () => {
  const { readBack, events } = slow(3);
  await Promise.all([readBack(DAG), readBack(DAG)]);
  await readBack(DAG);
  assert.deepEqual(events, ["read", "wait 500", "read", "wait 2000", "read"]);
});

Deno.test("content that never comes is a failure in the end, and one that lies at once", async () => {
  const never = slow(99);
  await assert.rejects(never.readBack(DAG), { code: "not_found" });
  assert.equal(never.events.length, 7);
  const lying = slow(99, "ipfs_mismatch");
  await assert.rejects(lying.readBack(DAG), { code: "ipfs_mismatch" });
  assert.deepEqual(lying.events, ["read"]);
});

Deno.test("after a failure it is read again for who asks later", async () => {
  const { readBack, events } = slow(5);
  await assert.rejects(readBack(DAG), { code: "not_found" });
  await readBack(DAG);
  assert.equal(events.filter((event) => event === "read").length, 5);
});

Deno.test("one gateway that delivers is enough, and where none is known nothing is read", async () => {
  await using has = await startGateway();
  await has.put(DAG.blocks);
  await using hasNot = await startGateway();
  const noWait = () => Promise.resolve();
  await gatewayReadBack([hasNot.url, has.url], noWait)(DAG);
  await assert.rejects(gatewayReadBack([hasNot.url], noWait)(DAG), { code: "not_found" });
  await gatewayReadBack([], noWait)(DAG);
});
