import assert from "node:assert/strict";
import { complaint, disagreement, type Heard, type Readings } from "./compare.ts";
import { readByGrammar } from "./grammar.ts";
import { startReference } from "./reference.ts";

const ONE = "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";

async function read(octets: string): Promise<Readings> {
  await using node = startReference();
  return { grammar: readByGrammar(octets), reference: await node.read([octets]) };
}

const seen = (fields: Partial<Heard["taken"][number]> = {}): Heard["taken"][number] => ({
  protocol: "HTTP/1.1",
  method: "GET",
  path: "/a",
  query: "b",
  host: "h",
  fields: ["host", "h"],
  body: "",
  ...fields,
});
const heard = (...taken: Heard["taken"][number][]): Heard => ({
  taken,
  refusal: null,
  ending: "closed",
});

Deno.test("what is read as it was sent is no complaint", async () => {
  const readings = await read(ONE);
  assert.equal(disagreement(readings), null);
  assert.equal(complaint(readings, heard(seen())), null);
});

Deno.test("what is read otherwise, lost, made up, not refused or left open is one", async () => {
  const one = await read(ONE);
  assert.match(complaint(one, heard(seen({ path: "/b" })))!, /read something else/);
  assert.match(complaint(one, heard(seen({ body: "x" })))!, /read something else/);
  assert.match(complaint(one, heard())!, /lost/);
  assert.match(complaint(one, heard(seen(), seen()))!, /took what is to be refused/);
  assert.match(complaint(one, { ...heard(seen()), ending: "open" })!, /neither/);
  const none = await read("GET /a HTTP/1.1\r\nHost : h\r\n\r\n");
  assert.match(complaint(none, heard())!, /no refusal/);
  assert.equal(complaint(none, { ...heard(), refusal: 400 }), null);
});

Deno.test("both readers find a request that a length hides, and refuse what has two lengths", async () => {
  const hidden = await read(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc${ONE}`);
  assert.deepEqual(hidden.grammar.requests.map(({ body }) => body), ["abc", ""]);
  assert.deepEqual(hidden.reference.requests.map(({ body }) => body), ["abc", ""]);
  const coding = "Content-Length: 3\r\nTransfer-Encoding: chunked";
  const both = await read(`POST / HTTP/1.1\r\nHost: h\r\n${coding}\r\n\r\n0\r\n\r\n${ONE}`);
  assert.deepEqual([both.grammar.requests, both.reference.requests], [[], []]);
  assert.equal(both.grammar.failure, "the framing");
});
