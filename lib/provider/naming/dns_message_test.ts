import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
// @ts-types="./dns_packet.d.ts"
import * as packet from "dns-packet";
import { answering, type Asked, txt } from "../../../worlds/naming/name_server.ts";
import { readTxtAnswer, txtQuestion } from "./dns_message.ts";

const NAME = "_dnslink.www.example";
const question = txtQuestion(7, NAME);
const query = packet.decode(Buffer.from(question));
const asked: Asked = { id: 7, name: NAME, by: "datagram", query };
const read = (bytes: Uint8Array) => readTxtAnswer(bytes, 7, NAME);
const cname = (name: string, data: string, ttl = 300): packet.Answer => ({
  type: "CNAME",
  name,
  data,
  ttl,
});
const soa = (ttl: number, minimum: number): packet.Answer => ({
  type: "SOA",
  name: "example",
  ttl,
  data: { mname: "ns", rname: "x", serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

function answerOf(...args: Parameters<typeof answering> extends [unknown, ...infer R] ? R : never) {
  const reading = read(answering(asked, ...args));
  assert(reading.kind === "answer", JSON.stringify(reading));
  return reading.answer;
}

Deno.test("a question asks a resolver for one name, and takes datagrams of so many bytes", () => {
  assert.deepEqual(query.questions, [{ name: NAME, type: "TXT", class: "IN" }]);
  assert.equal(query.flag_rd, true);
  assert.equal((query.additionals![0] as { udpPayloadSize: number }).udpPayloadSize, 1_232);
});

Deno.test("the strings of a record are joined, and the least TTL counts", () => {
  assert.deepEqual(answerOf([txt(NAME, ["dnslink=", "/ipfs/x"], 60), txt(NAME, "v=1", 30)]), {
    texts: ["dnslink=/ipfs/x", "v=1"],
    ttl: 30,
  });
  assert.deepEqual(answerOf([txt(NAME.toUpperCase(), "a")]).texts, ["a"]);
  assert.equal(answerOf([txt(NAME, "a", 0xffffffff)]).ttl, 0);
});

Deno.test("records of another name count only where aliases lead to them", () => {
  assert.deepEqual(answerOf([txt("_dnslink.evil.example", "a")]).texts, []);
  const chain = [cname("b.example", "c.example", 20), txt("c.example", "a", 60)];
  assert.deepEqual(answerOf([cname(NAME, "b.example"), ...chain]), { texts: ["a"], ttl: 20 });
  assert.deepEqual(answerOf([cname(NAME, "b.example", 40)]), { texts: [], ttl: 40 });
});

Deno.test("aliases that go round in a circle end", () => {
  const loop = [cname(NAME, "b.example"), cname("b.example", NAME)];
  assert.equal(read(answering(asked, loop)).kind, "failure");
});

Deno.test("that there is none is believed as long as the zone says", () => {
  assert.deepEqual(answerOf([], { rcode: 3, authorities: [soa(600, 50)] }), { texts: [], ttl: 50 });
  assert.deepEqual(answerOf([], { authorities: [soa(20, 50)] }), { texts: [], ttl: 20 });
  assert.deepEqual(answerOf([]), { texts: [], ttl: null });
});

Deno.test("a server that fails says nothing of the name", () => {
  for (const rcode of [1, 2, 4, 5]) {
    assert.equal(read(answering(asked, [txt(NAME, "a")], { rcode })).kind, "failure");
  }
});

Deno.test("what does not answer this very question is a stray", () => {
  const other = packet.decode(Buffer.from(txtQuestion(7, "_dnslink.other.example")));
  const strays = [
    answering({ ...asked, id: 8 }, [txt(NAME, "a")]),
    answering({ ...asked, query: other }, [txt(NAME, "a")]),
    answering(asked, [txt(NAME, "a")], { questions: [] }),
    answering(asked, [txt(NAME, "a")], { questions: [{ type: "A", name: NAME }] }),
    question,
    new Uint8Array(0),
    new Uint8Array(12),
  ];
  for (const [index, bytes] of strays.entries()) {
    assert.deepEqual(read(bytes), { kind: "stray" }, String(index));
  }
});

Deno.test("an answer that was cut off is to be had by TCP, wherever it was cut", () => {
  const flags = packet.TRUNCATED_RESPONSE;
  const whole = answering(asked, [txt(NAME, "a".repeat(200))], { flags });
  assert.equal(read(whole).kind, "truncated");
  assert.equal(read(whole.subarray(0, whole.length - 20)).kind, "truncated");
  assert.equal(read(whole.subarray(0, 12)).kind, "truncated");
});

Deno.test("no bytes make the reader fail or loop", () => {
  const whole = answering(asked, [cname(NAME, "b.example"), txt("b.example", ["a", "b"])]);
  const spoilt = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 20 });
  fc.assert(fc.property(spoilt, fc.nat(whole.length), (changes, length) => {
    const bytes = whole.slice();
    for (const [at, value] of changes) bytes[at] = value;
    read(bytes.subarray(0, length));
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void read(bytes)));
  // A name that points at itself.
  const loop = whole.slice();
  loop.set([0xc0, 12], 12);
  assert.equal(read(loop).kind, "stray");
});
