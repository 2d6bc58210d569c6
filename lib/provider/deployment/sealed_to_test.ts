import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { openRecords } from "./records.ts";
import { readSealedTo } from "./sealed_to.ts";

async function deployment(cid: string, recipient?: string) {
  const spec = await sampleSpec();
  const named = recipient === undefined ? {} : { recipient };
  return { cid: cid as CidText, spec, entry: spec.providers[0]!, ...named };
}

Deno.test("which key each deployment is encrypted to is known of those that are not stopped", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "deployments.db");
    assert.deepEqual(readSealedTo(path), new Map(), "nothing was paid for yet");
    const all = [
      await deployment("bafyone", "age1old"),
      await deployment("bafytwo", "age1new"),
      await deployment("bafythree", "age1old"),
      await deployment("bafystopped", "age1old"),
      await deployment("bafyunknown"),
    ];
    let now = 0;
    const records = openRecords(path, { now: () => now++ });
    for (const each of all) records.registrations.add(each);
    records.stops.add(all[3]!.spec);
    const sealed = new Map([["age1old", ["bafyone", "bafythree"]], ["age1new", ["bafytwo"]]]);
    assert.deepEqual(readSealedTo(path), sealed, "while the provider runs");
    records.close();
    assert.deepEqual(readSealedTo(path), sealed);
  });
});
