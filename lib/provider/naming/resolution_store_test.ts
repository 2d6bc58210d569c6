import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { PAID_NAMES_REMEMBERED_MAX } from "../../limits_of_names.ts";
import { ResolutionStore, type StoredResolution } from "./resolution_store.ts";

const row = (name: string, checkedAt: number): StoredResolution => ({
  kind: "dnslink",
  name,
  cid: "bafkone" as CidText,
  since: 1,
  checkedAt,
});

Deno.test("what names pointed to is there when it is opened again", () => {
  const database = new DatabaseSync(":memory:");
  const store = new ResolutionStore(database);
  store.put(row("b.com", 2));
  store.put(row("a.com", 1));
  store.put({ ...row("a.com", 3), cid: "bafktwo" as CidText });
  store.put(row("c.com", 2));
  store.drop(row("c.com", 2));
  assert.deepEqual(new ResolutionStore(database).all(), [
    row("b.com", 2),
    { ...row("a.com", 3), cid: "bafktwo" },
  ]);
});

Deno.test("of more than there is room for the latest are kept", () => {
  const database = new DatabaseSync(":memory:");
  const store = new ResolutionStore(database);
  database.exec("BEGIN");
  for (let i = 0; i < PAID_NAMES_REMEMBERED_MAX + 3; i++) store.put(row(`${i}.com`, i));
  database.exec("COMMIT");
  const all = store.all();
  assert.deepEqual([all.length, all[0]!.name], [PAID_NAMES_REMEMBERED_MAX, "3.com"]);
});
