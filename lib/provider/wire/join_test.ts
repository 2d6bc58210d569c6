import assert from "node:assert/strict";
import { PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import { join } from "./join.ts";

function open() {
  const [caller, program] = [new PlayedTunnel(), new PlayedTunnel()];
  return { caller, program, joined: join(caller, program) };
}

Deno.test("what one end says the other hears, and all of it before the end", async () => {
  for (const isCallers of [true, false]) {
    const { caller, program, joined } = open();
    const [from, to] = isCallers ? [caller, program] : [program, caller];
    to.say("hello");
    await from.heard("hello");
    from.say("good");
    from.say("bye");
    from.finish();
    assert.equal(await joined, true);
    await to.heard("goodbye");
  }
});

Deno.test("a caller that breaks is gone, and a program that breaks is said with its reason", async () => {
  const one = open();
  one.caller.break(new Error("reset"));
  assert.equal(await one.joined, false);
  const other = open();
  other.program.break(new Error("it died"));
  await assert.rejects(other.joined, /it died/);
});

Deno.test("a program that takes no more is still heard to its end", async () => {
  const { caller, program, joined } = open();
  program.write = () => Promise.reject(new Error("it is deaf"));
  caller.say("lost");
  program.say("last words");
  await caller.heard("last words");
  program.finish();
  assert.equal(await joined, true);
});
