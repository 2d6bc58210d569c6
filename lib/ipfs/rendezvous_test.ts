import assert from "node:assert/strict";
import fc from "fast-check";
import { type CID, cidOf, DAG_PB, RAW } from "../cid.ts";
import { homesOf } from "./rendezvous.ts";

const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/), {
  minLength: 1,
  maxLength: 12,
});
const cids = fc.uint8Array({ maxLength: 8 }).map((bytes) => cidOf(RAW, bytes));
const nodesOf = (all: readonly string[]) => all.map((name) => ({ name, url: `http://${name}` }));
const orderOf = (cid: CID, all: readonly string[]) =>
  homesOf(cid, nodesOf(all)).map(({ name }) => name);

Deno.test("every node is a home, in an order that follows from names and content alone", () => {
  fc.assert(fc.property(names, fc.nat(), cids, (all, turn, cid) => {
    const order = orderOf(cid, all);
    assert.deepEqual(order.toSorted(), all.toSorted());
    const at = turn % all.length;
    assert.deepEqual(orderOf(cid, [...all.slice(at), ...all.slice(0, at)].reverse()), order);
  }));
});

Deno.test("a node that goes leaves the order of the others as it was, and so does one that comes", () => {
  fc.assert(fc.property(names, fc.nat(), cids, (all, turn, cid) => {
    const gone = all[turn % all.length];
    const left = all.filter((name) => name !== gone);
    assert.deepEqual(orderOf(cid, left), orderOf(cid, all).filter((name) => name !== gone));
  }));
});

Deno.test("each of n nodes is the home of about an nth, and of no more where another comes", () => {
  const contents = Array.from({ length: 3_000 }, (_, index) => cidOf(RAW, utf8(String(index))));
  const homes = (all: readonly string[]) => contents.map((cid) => orderOf(cid, all)[0]!);
  const [three, four] = [homes(["n1", "n2", "n3"]), homes(["n1", "n2", "n3", "n4"])];
  const share = (all: string[], name: string) => all.filter((home) => home === name).length;
  for (const name of ["n1", "n2", "n3"]) {
    assert.ok(Math.abs(share(three, name) - 1_000) < 150, `${name}: ${share(three, name)}`);
  }
  assert.ok(Math.abs(share(four, "n4") - 750) < 150);
  const moved = three.filter((home, index) => home !== four[index]);
  assert.equal(moved.length, share(four, "n4"), "what moved, moved to the new one");
});

Deno.test("a content has one home by whichever version of its cid it is named", () => {
  const cid = cidOf(DAG_PB, utf8("node"));
  const all = ["n1", "n2", "n3", "n4"];
  assert.deepEqual(orderOf(cid.toV0() as CID, all), orderOf(cid.toV1() as CID, all));
  assert.deepEqual(homesOf(cid, []), []);
});

Deno.test("the order is what it was in earlier releases: nodes of two releases agree", () => {
  // As Python's hashlib has it: hexdigests of "NAME CID", the largest first.
  const order = orderOf(cidOf(RAW, utf8("hello")), ["n1", "n2", "n3", "n4"]);
  assert.deepEqual(order, ["n2", "n3", "n4", "n1"]);
});

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
