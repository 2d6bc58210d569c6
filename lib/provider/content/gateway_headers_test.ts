import assert from "node:assert/strict";
import { cidOf, DAG_PB, RAW } from "../../cid.ts";
import { Fields } from "../http/fields.ts";
import { contentHeaders, hasAlready } from "./gateway_headers.ts";
import { readContentRequest } from "./gateway_request.ts";

const ROOT = cidOf(DAG_PB, new Uint8Array([1]));
const LEAF = cidOf(RAW, new Uint8Array([2]));

function asked(path: string, query: string) {
  return readContentRequest({ path: `/ipfs/${path}`, query, fields: new Fields([]) });
}

function headersOf(path: string, query: string, roots = [ROOT]): Record<string, string> {
  return Object.fromEntries(contentHeaders(asked(path, query), roots));
}

Deno.test("a block's fields", () => {
  assert.deepEqual(headersOf(String(LEAF), "format=raw", [LEAF]), {
    "content-type": "application/vnd.ipld.raw",
    "content-disposition": `attachment; filename="${LEAF}.bin"`,
    "content-location": `/ipfs/${LEAF}?format=raw`,
    "etag": `"${LEAF}.raw"`,
    "cache-control": "public, max-age=29030400, immutable",
    "vary": "accept",
    "x-ipfs-path": `/ipfs/${LEAF}`,
    "x-ipfs-roots": String(LEAF),
    "x-content-type-options": "nosniff",
    "accept-ranges": "none",
    "access-control-expose-headers":
      "Content-Disposition, Content-Location, ETag, X-Ipfs-Path, X-Ipfs-Roots",
  });
});

Deno.test("a CAR's fields", () => {
  const query = "format=car&entity-bytes=0:9&car-dups=y";
  const headers = headersOf(`${ROOT}/a%2fb/%0a`, query, [ROOT, LEAF]);
  const path = `/ipfs/${ROOT}/a%2Fb/%0A`;
  assert.equal(headers["content-type"], "application/vnd.ipld.car; version=1; order=dfs; dups=y");
  assert.equal(headers["content-disposition"], `attachment; filename="${LEAF}.car"`);
  assert.equal(headers["x-ipfs-path"], path);
  assert.equal(headers["x-ipfs-roots"], `${ROOT},${LEAF}`);
  assert.equal(
    headers["content-location"],
    `${path}?format=car&dag-scope=entity&entity-bytes=0:9` +
      "&car-version=1&car-order=dfs&car-dups=y",
  );
});

Deno.test("what makes another answer has another tag", () => {
  const path = String(ROOT);
  const queries = [
    [path, "format=raw"],
    [path, "format=car"],
    [path, "format=car&car-dups=y"],
    [path, "format=car&dag-scope=block"],
    [path, "format=car&dag-scope=entity"],
    [path, "format=car&entity-bytes=0:*"],
    [path, "format=car&entity-bytes=0:1"],
    [path, "format=car&entity-bytes=-1:*"],
    [`${path}/a`, "format=car"],
    [`${path}/a/b`, "format=car"],
    [`${path}/a%2Fb`, "format=car"],
    [String(LEAF), "format=car"],
  ] as const;
  const tags = queries.map(([path, query]) => headersOf(path, query).etag!);
  assert.equal(new Set(tags).size, queries.length);
  assert.deepEqual(tags.map((tag) => tag.startsWith("W/")), [
    false,
    ...tags.slice(1).map(() => true),
  ]);
  assert.match(tags[3]!, /^W\/"block\./);
  assert.match(tags[6]!, /^W\/"entity-0:1\./);
});

Deno.test("a tag that is known is recognised in a list, weak or not", () => {
  const request = asked(String(ROOT), "format=car");
  const tag = headersOf(String(ROOT), "format=car").etag!;
  const knows = (value: string) => hasAlready(request, new Fields([["if-none-match", value]]));
  for (const value of [tag, `"other", ${tag}`, tag.slice(2), "*", ` ${tag} `]) {
    assert.ok(knows(value), value);
  }
  for (const value of ["", '"other"', `"${ROOT}.raw"`, tag.slice(0, -2)]) assert.ok(!knows(value));
  assert.ok(!hasAlready(request, new Fields([])));
});
