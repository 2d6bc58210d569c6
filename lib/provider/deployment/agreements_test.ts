import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { readAgreements } from "./agreements.ts";
import { openRecords } from "./records.ts";

async function deployment(cid: string, fields: Record<string, unknown> = {}) {
  const spec = await sampleSpec({ fields });
  return { cid: cid as CidText, spec, entry: spec.providers[0]! };
}

Deno.test("what was agreed is known of each deployment that was paid for and not stopped", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "deployments.db");
    assert.deepEqual(readAgreements(path), [], "nothing was paid for yet");
    const [one, stopped, theirs, renewed] = [
      await deployment("bafyone"),
      await deployment("bafystopped"),
      await deployment("bafytheirs", { access: "payer" }),
      await deployment("bafyrenewed"),
    ];
    let now = 0;
    const records = openRecords(path, { now: () => now++ });
    for (const each of [one, stopped, theirs, renewed]) records.registrations.add(each);
    records.stops.add(stopped.spec);
    records.ownerPermits.put({ ...renewed.entry.permit, price: 2_000_000n });
    const { terms } = one.entry;
    const agreed = [
      { cid: "bafyone", price: 1_000_000n, terms },
      { cid: "bafytheirs", price: null, terms },
      { cid: "bafyrenewed", price: 2_000_000n, terms },
    ];
    assert.deepEqual(readAgreements(path), agreed, "while the provider runs");
    records.close();
    assert.deepEqual(readAgreements(path), agreed);
  });
});
