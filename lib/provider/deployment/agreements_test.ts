import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { KEEP_NOTHING } from "../../keep.ts";
import { readAgreed } from "./agreements.ts";
import { openRecords } from "./records.ts";

async function deployment(cid: string, fields: Record<string, unknown> = {}) {
  const spec = await sampleSpec({ fields });
  return { cid: cid as CidText, spec, entry: spec.providers[0]! };
}

Deno.test("what was agreed is known of each deployment that was paid for and not stopped", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "deployments.db");
    assert.deepEqual(readAgreed(path), { agreements: [], tariffs: [] }, "nothing was paid for yet");
    const [one, stopped, theirs, renewed] = [
      await deployment("bafyone"),
      await deployment("bafystopped"),
      await deployment("bafytheirs", { access: "payer" }),
      await deployment("bafyrenewed"),
    ];
    let now = 0;
    const records = openRecords(path, { now: () => now++ });
    records.registrations.add(one);
    const { terms } = one.entry;
    const keep = { price: KEEP_NOTHING, terms: KEEP_NOTHING };
    records.tariffs.begin({ price: 7n, terms: [terms], keep });
    records.tariffs.begin({ price: 8n, terms: [], keep });
    for (const each of [stopped, theirs, renewed]) records.registrations.add(each);
    records.stops.add(stopped.spec);
    records.ownerPermits.put({ ...renewed.entry.permit, price: 2_000_000n });
    const agreed = {
      agreements: [
        { cid: "bafyone", came: 0, price: 1_000_000n, terms },
        { cid: "bafytheirs", came: 1, price: null, terms },
        { cid: "bafyrenewed", came: 1, price: 2_000_000n, terms },
      ],
      tariffs: [{ price: 7n, terms: [terms], since: 0n }, { price: 8n, terms: [], since: 0n }],
    };
    assert.deepEqual(readAgreed(path), agreed, "while the provider runs");
    assert.equal(records.agreements.termsOf("bafyone" as CidText), terms);
    assert.equal(records.agreements.termsOf("bafynobody" as CidText), null);
    records.close();
    assert.deepEqual(readAgreed(path), agreed);
  });
});

Deno.test("the records of a release without tariffs are read as they are", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "deployments.db");
    const records = openRecords(path);
    records.registrations.add(await deployment("bafyone"));
    records.close();
    const database = new DatabaseSync(path);
    database.exec("DROP TABLE came; DROP TABLE tariffs");
    database.close();
    const { agreements, tariffs } = readAgreed(path);
    assert.deepEqual([agreements.map(({ came }) => came), tariffs], [[null], []]);
  });
});
