import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../../worlds/home.ts";
import { RUN } from "../../../worlds/logged_run.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { openRecords } from "./records.ts";

const CID = "bafytest" as CidText;
Deno.test("registrations, stops and runs are in one file, and there after a start", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "deployments.db");
  const spec = await sampleSpec();
  const before = openRecords(path, { now: () => 7 });
  before.registrations.add({ cid: CID, spec, entry: spec.providers[0]! });
  before.runLog.add(CID, RUN);
  before.stops.add(spec);
  before.close();
  const names = await Array.fromAsync(Deno.readDir(folder.dir), ({ name }) => name);
  assert.deepEqual(names, ["deployments.db"]);

  const after = openRecords(path);
  assert.deepEqual(after.registrations.ofOwner(spec.owner), [
    { cid: CID, id: spec.id, firstSeen: 7, stopped: true },
  ]);
  assert.equal(after.stops.has(spec), true);
  assert.deepEqual(after.runLog.read(CID).runs, [RUN]);
  after.close();
});

Deno.test("no secret of a spec is in the file", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "deployments.db");
  const spec = await sampleSpec({ fields: { env: { API_KEY: "s3cr3t-of-the-spec" } } });
  const records = openRecords(path);
  records.registrations.add({ cid: CID, spec, entry: spec.providers[0]! });
  records.stops.add(spec);
  records.close();
  const bytes = new TextDecoder("latin1").decode(await Deno.readFile(path));
  assert.ok(bytes.includes(spec.owner));
  for (const secret of ["s3cr3t-of-the-spec", spec.providers[0]!.permit.signature]) {
    assert.ok(!bytes.includes(secret));
  }
});
