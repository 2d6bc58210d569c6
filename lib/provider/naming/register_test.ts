import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { getAddress } from "viem";
import type { CidText } from "../../cid.ts";
import { NAME_MOVES_KEPT_MAX, REGISTERED_NAMES_MAX } from "../../limits_of_names.ts";
import { NameRegister } from "./register.ts";

const OWNER = getAddress(`0x${"01".repeat(20)}`);
const OTHER = getAddress(`0x${"02".repeat(20)}`);
const [ONE, TWO] = ["bafkone", "bafktwo"] as [CidText, CidText];

function openRegister(database = new DatabaseSync(":memory:")) {
  let time = 1_000;
  const register = new NameRegister(database, () => time);
  const change = (label: string, cid: CidText | "", sequence: number, owner = OWNER) => {
    time += 1;
    return register.change({ label, cid, sequence: BigInt(sequence), owner });
  };
  return { register, change, database, pass: (ms: number) => void (time += ms) };
}

Deno.test("a name is its first owner's, and moves by each next change", () => {
  const { register, change } = openRegister();
  assert.equal(register.get("blog"), null);
  assert.equal(change("blog", ONE, 1).left, null);
  assert.equal(change("blog", TWO, 2).left, ONE);
  assert.deepEqual(register.get("blog"), {
    label: "blog",
    owner: OWNER,
    cid: TWO,
    sequence: 2,
    since: 1_002,
    takenAt: 1_001,
    uncoveredSince: null,
  });
  assert.deepEqual(register.history("blog"), [
    { cid: TWO, sequence: 2, at: 1_002 },
    { cid: ONE, sequence: 1, at: 1_001 },
  ]);
  assert.throws(() => change("blog", ONE, 3, OTHER), { code: "access_denied" });
  assert.deepEqual([register.points(TWO), register.points(ONE)], [true, false]);
});

Deno.test("an earlier change, the same again or one too far does nothing, and is told which is next", () => {
  const { register, change } = openRegister();
  change("blog", ONE, 1);
  change("blog", TWO, 2);
  for (const sequence of [0, 1, 2, 4]) {
    assert.throws(() => change("blog", ONE, sequence), (error: { code: string; data: unknown }) => {
      assert.equal(error.code, "name_conflict");
      assert.deepEqual(error.data, { name: "blog", cid: TWO, sequence: 2 });
      return true;
    });
  }
  assert.equal(register.get("blog")!.cid, TWO);
  assert.throws(() => change("shop", ONE, 2), { code: "name_conflict" });
});

Deno.test("a name that was given up is anybody's, and no old change brings it back", () => {
  const { register, change } = openRegister();
  change("blog", ONE, 1);
  assert.deepEqual(change("blog", "", 2), { name: null, left: ONE });
  assert.deepEqual([register.has("blog"), register.get("blog")], [false, null]);
  assert.deepEqual([register.count(OWNER), register.sequence("blog")], [0, 2]);
  assert.throws(() => change("blog", ONE, 1), { code: "name_conflict" });
  assert.throws(() => change("blog", "", 3), { code: "not_found" });
  change("blog", TWO, 3, OTHER);
  assert.equal(register.get("blog")!.owner, OTHER);
  // What it was before is not told.
  assert.deepEqual(register.history("blog").map(({ sequence }) => sequence), [3]);
  assert.throws(() => change("blog", ONE, 4), { code: "access_denied" });
});

Deno.test("an owner's names are counted and listed", () => {
  const { register, change } = openRegister();
  for (const label of ["shop", "blog"]) change(label, ONE, 1);
  change("mine", ONE, 1, OTHER);
  assert.deepEqual(register.ofOwner(OWNER).map(({ label }) => label), ["blog", "shop"]);
  assert.deepEqual([register.count(OWNER), register.count(OTHER)], [2, 1]);
});

Deno.test("names, their sequence and their history are there after a restart", () => {
  const { change, database, register } = openRegister();
  change("blog", ONE, 1);
  change("blog", TWO, 2);
  change("gone", TWO, 1);
  change("gone", "", 2);
  const again = openRegister(database);
  assert.deepEqual(again.register.get("blog"), register.get("blog"));
  assert.deepEqual(again.register.history("blog"), register.history("blog"));
  assert.equal(again.register.count(OWNER), 1);
  assert.throws(() => again.change("gone", TWO, 1), { code: "name_conflict" });
});

Deno.test("of a name's history the latest is kept", () => {
  const { register, change } = openRegister();
  for (let i = 1; i <= NAME_MOVES_KEPT_MAX + 5; i++) change("blog", i % 2 ? ONE : TWO, i);
  const history = register.history("blog");
  assert.equal(history.length, NAME_MOVES_KEPT_MAX);
  assert.deepEqual([history[0]!.sequence, history.at(-1)!.sequence], [NAME_MOVES_KEPT_MAX + 5, 6]);
});

Deno.test("a full register forgets what was given up long ago, and nothing else", () => {
  const database = new DatabaseSync(":memory:");
  openRegister(database);
  const put = database.prepare("INSERT INTO names VALUES (?, ?, ?, 1, 0, 0, NULL)");
  database.exec("BEGIN");
  for (let i = 0; i < REGISTERED_NAMES_MAX - 1; i++) put.run(`name-${i}`, OTHER, ONE);
  put.run("given-up", OTHER, "");
  database.exec("COMMIT");
  const { change, register, pass } = openRegister(database);
  assert.throws(() => change("blog", ONE, 1), { code: "overloaded" });
  // Whoever has a name can still move it.
  change("name-1", TWO, 2, OTHER);
  pass(25 * 60 * 60 * 1000);
  change("blog", ONE, 1);
  assert.equal(register.has("blog"), true);
  assert.equal(register.sequence("given-up"), 0);
  assert.throws(() => change("shop", ONE, 1), { code: "overloaded" });
});
