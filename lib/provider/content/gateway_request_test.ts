import assert from "node:assert/strict";
import { cidOf, RAW } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { CONTENT_PATH_SEGMENTS_MAX } from "../../limits_of_content.ts";
import { Fields } from "../http/fields.ts";
import { readContentRequest } from "./gateway_request.ts";

const ROOT = String(cidOf(RAW, new TextEncoder().encode("root")));
const CAR_ACCEPT = "application/vnd.ipld.car; order=dfs; dups=y";

function read(path: string, query: string | null = "format=car", accept: string | null = null) {
  const fields = new Fields(accept === null ? [] : [["accept", accept]]);
  return readContentRequest({ path: `/ipfs/${path}`, query, fields });
}

function refusalOf(...request: Parameters<typeof read>): string {
  try {
    read(...request);
  } catch (error) {
    assert.ok(error instanceof KhachapuriError);
    return error.code;
  }
  return "none";
}

const car = (changes = {}) => ({
  format: "car",
  scope: "all",
  range: null,
  hasDuplicates: false,
  ...changes,
});

Deno.test("format counts before Accept, and what neither says has its default", () => {
  const raw = { format: "raw" };
  assert.deepEqual(read(ROOT, "format=raw", CAR_ACCEPT).form, raw);
  assert.deepEqual(read(ROOT, null, "application/vnd.ipld.raw").form, raw);
  assert.deepEqual(read(ROOT, "format=car", "text/html").form, car());
  assert.deepEqual(read(ROOT, null, CAR_ACCEPT).form, car({ hasDuplicates: true }));
  const both = read(ROOT, "format=car&car-dups=n&car-order=unk&car-version=1", CAR_ACCEPT);
  assert.deepEqual(both.form, car());
});

Deno.test("a range of bytes is of an entity", () => {
  assert.deepEqual(read(ROOT, "format=car&dag-scope=block").form, car({ scope: "block" }));
  for (const scope of ["", "&dag-scope=all", "&dag-scope=entity"]) {
    const { form } = read(ROOT, `format=car&entity-bytes=-5:*${scope}`);
    assert.deepEqual(form, car({ scope: "entity", range: { from: -5, to: null } }));
  }
});

Deno.test("names are decoded, each by itself; slashes at the end and doubled ones name nothing", () => {
  assert.deepEqual(read(`${ROOT}/a%2Fb//%5C/..%20/%C3%A9/`).names, ["a/b", "\\", ".. ", "é"]);
  const { root, rootText } = read(ROOT);
  assert.deepEqual([String(root), rootText], [ROOT, ROOT]);
});

Deno.test("what can't be asked for is refused, each with its status", () => {
  const cases: [string, ...Parameters<typeof read>][] = [
    ["invalid_cid", ""],
    ["invalid_cid", "bafynope"],
    ["invalid_cid", ROOT.toUpperCase()],
    ["invalid_input", `${ROOT}/name`, "format=raw"],
    ["invalid_input", `${ROOT}/%ff`],
    ["invalid_input", ROOT + "/a".repeat(CONTENT_PATH_SEGMENTS_MAX + 1)],
    ["invalid_input", ROOT, "format=zip"],
    ["invalid_input", ROOT, null],
    ["invalid_input", ROOT, "format=car&dag-scope=file"],
    ["invalid_input", ROOT, "format=car&entity-bytes=1"],
    ["invalid_input", ROOT, "format=car&car-version=2"],
    ["invalid_input", ROOT, "format=car&car-order=bfs"],
    ["invalid_input", ROOT, "format=car&car-dups=maybe"],
    ["not_acceptable", ROOT, "format=tar"],
    ["not_acceptable", ROOT, "format=dag-json"],
    ["not_acceptable", ROOT, null, "*/*"],
    ["not_acceptable", ROOT, null, "text/html"],
    ["none", ROOT + "/a".repeat(CONTENT_PATH_SEGMENTS_MAX)],
  ];
  for (const [code, ...request] of cases) {
    assert.equal(refusalOf(...request), code, JSON.stringify(request));
  }
});
