import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { makeFolder } from "../../../worlds/home.ts";
import { RUN } from "../../../worlds/logged_run.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { KEEP_NOTHING } from "../../keep.ts";
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

/** Rows that the database gives while `work` is done. */
function rowsReadIn(work: () => void): number {
  const { all, get, iterate } = StatementSync.prototype;
  let rows = 0;
  const prototype = StatementSync.prototype as unknown as Record<string, unknown>;
  prototype.all = function (this: StatementSync, ...values: unknown[]) {
    const found = Reflect.apply(all, this, values);
    rows += found.length;
    return found;
  };
  prototype.get = function (this: StatementSync, ...values: unknown[]) {
    rows += 1;
    return Reflect.apply(get, this, values);
  };
  prototype.iterate = function (this: StatementSync, ...values: unknown[]) {
    const found = [...Reflect.apply(iterate, this, values)];
    rows += found.length;
    return found.values();
  };
  try {
    work();
  } finally {
    Object.assign(prototype, { all, get, iterate });
  }
  return rows;
}

Deno.test("a start reads no more rows of a thousand deployments than of one", async () => {
  await using folder = await makeFolder();
  const readOf = (deployments: number) => {
    const path = join(folder.dir, `${deployments}`, "deployments.db");
    Deno.mkdirSync(join(folder.dir, `${deployments}`));
    const start = () => {
      const records = openRecords(path);
      records.tariffs.begin({
        price: 1n,
        terms: [],
        keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING },
        oldPrice: undefined,
      });
      records.close();
    };
    start();
    const database = new DatabaseSync(path);
    const fill = (table: string, row: string) =>
      database.exec(`
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${deployments})
        INSERT INTO ${table} SELECT ${row} FROM c
      `);
    const hash = "'0x' || printf('%064d', x)";
    fill("deployments", `'cid' || x, ${hash}, '0x' || printf('%040d', x), x`);
    fill("stops", `'0x' || printf('%040d', x), ${hash}, x`);
    fill("permits", `'0x' || printf('%040d', x), ${hash}, x, '{}'`);
    fill("came", "'cid' || x, 0");
    fill("runs", "'cid' || x, '{}'");
    fill("servers", "'cid' || x, '[]'");
    database.close();
    return rowsReadIn(start);
  };
  assert.equal(readOf(1_000), readOf(1));
});
