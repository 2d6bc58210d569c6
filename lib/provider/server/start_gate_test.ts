import assert from "node:assert/strict";
import { StartGate } from "./start_gate.ts";

const pays = () => true;
const strange = () => false;
const never = () => assert.fail("nobody asked to be told");

Deno.test("owners that never paid share a half of the starts, each has two", () => {
  const gate = new StartGate(8);
  const one = gate.of("one", strange);
  const turns = [one.take(never), one.take(never)];
  assert.ok(turns.every((turn) => turn !== null));
  let told = 0;
  const onTurn = () => void told++;
  assert.equal(one.take(onTurn), null);
  for (const owner of ["two", "three"]) assert.ok(gate.of(owner, strange).take(never));
  assert.equal(gate.of("four", strange).take(onTurn), null);
  const paying = gate.of("paying", pays);
  assert.ok(paying.take(never) && paying.take(never));
  assert.equal(paying.take(() => {}), null);
  assert.ok(gate.of("another", pays).take(never));
  assert.equal(told, 0);
  turns[0]!.leave();
  turns[0]!.leave();
  assert.equal(told, 1, "the same function waits only once");
});

Deno.test("who waits is told in turn, and not once it has forgotten", () => {
  const gate = new StartGate(1);
  const [one, two, three] = ["one", "two", "three"].map((owner) => gate.of(owner, pays));
  const turn = one!.take(never)!;
  const told: string[] = [];
  const forgotten = () => void told.push("forgotten");
  assert.equal(one!.take(forgotten), null);
  const second = () => {
    told.push("two");
    two!.take(second);
  };
  const third = () => {
    told.push("three");
    assert.equal(three!.take(third), null);
  };
  two!.take(second);
  three!.take(third);
  one!.forget(forgotten);
  turn.leave();
  assert.deepEqual(told, ["two", "three"]);
});
