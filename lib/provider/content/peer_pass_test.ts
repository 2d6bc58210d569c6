import assert from "node:assert/strict";
import type { Hex } from "viem";
import { PeerPass } from "./peer_pass.ts";

const KEY: Hex = `0x${"01".repeat(32)}`;
const OTHER_KEY: Hex = `0x${"02".repeat(32)}`;

Deno.test("a node is known by the operator's key, whichever node asks", () => {
  const [one, other] = [new PeerPass(KEY), new PeerPass(KEY)];
  for (const node of ["n1", "eu-west-1"]) assert.equal(other.nodeOf(one.wordOf(node)), node);
});

Deno.test("nobody else is: not by another key, for another node, nor by a part of the word", () => {
  const pass = new PeerPass(KEY);
  const word = pass.wordOf("n1");
  const changed = [
    null,
    "",
    "Bearer ",
    new PeerPass(OTHER_KEY).wordOf("n1"),
    word.replace("n1", "n2"),
    word.slice(0, -1),
    word.slice(0, -2),
    `${word}0`,
    word.replace(/.$/, (digit) => digit === "0" ? "1" : "0"),
    word.replace("Bearer", "Basic"),
    word.replace("n1.", "."),
    `Bearer n1.${"0".repeat(64)}`,
  ];
  for (const said of changed) {
    assert.throws(() => pass.nodeOf(said), { code: "access_denied" }, String(said));
  }
});

Deno.test("a word for one change is good for no other, nor one for reading for any", () => {
  const pass = new PeerPass(KEY);
  const word = pass.wordOf("n1", "/kept/one?at=1");
  assert.equal(pass.nodeOf(word, "/kept/one?at=1"), "n1");
  for (const change of ["/kept/one?at=2", undefined]) {
    assert.throws(() => pass.nodeOf(word, change), { code: "access_denied" });
  }
  assert.throws(() => pass.nodeOf(pass.wordOf("n1"), "/kept/one?at=1"), { code: "access_denied" });
});

Deno.test("the word is what it was in earlier releases: nodes of two releases know each other", () => {
  // As Python's hmac has it, by RFC 5869.
  const proof = "f0e84eeb7af9528536cbcabe4bb870f98811e2ae53be1e424406debc4bcff2ce";
  assert.equal(new PeerPass(KEY).wordOf("n1"), `Bearer n1.${proof}`);
});
