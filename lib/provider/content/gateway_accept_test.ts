import assert from "node:assert/strict";
import { preferredForm } from "./gateway_accept.ts";

const RAW = "application/vnd.ipld.raw";
const CAR = "application/vnd.ipld.car";
const raw = { format: "raw", hasDuplicates: null };
const car = (hasDuplicates: boolean | null) => ({ format: "car", hasDuplicates });

Deno.test("the form that is preferred is found, with its parameters", () => {
  const cases: [string, unknown][] = [
    [RAW, raw],
    [`${CAR}; version=1; order=dfs; dups=y`, car(true)],
    [`${CAR};order=unk;dups=n`, car(false)],
    [`${CAR}; dups="y"`, car(true)],
    [CAR.toUpperCase(), car(null)],
    [`${RAW}, ${CAR}`, raw],
    [`${RAW};q=0.2, ${CAR};q=0.5`, car(null)],
    [`text/html, ${CAR};q=0.1, */*;q=0.05`, car(null)],
    [`${CAR};order=foo, ${CAR};order=dfs;dups=y;q=0.5`, car(true)],
    [`${CAR};version=2, ${RAW};q=0.1`, raw],
  ];
  for (const [accept, form] of cases) assert.deepEqual(preferredForm(accept), form, accept);
});

Deno.test("nothing is given to who takes none of our forms", () => {
  const none = ["", "*/*", "text/html", "application/*", `${RAW};q=0`, `${CAR};version=2`, ";;,,="];
  for (const accept of [...none, `${CAR};order=bfs`, `${CAR};q=nonsense`]) {
    assert.equal(preferredForm(accept), null, accept);
  }
});
