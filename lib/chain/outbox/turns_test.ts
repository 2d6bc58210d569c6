import assert from "node:assert/strict";
import { Turns } from "./turns.ts";

Deno.test("one works at a time, and what is settled goes before what is relayed", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const first = Promise.withResolvers<void>();
  const all = [
    turns.take("relay", () => first.promise.then(() => void done.push("first"))),
    ...["relay 1", "relay 2"].map((name) => turns.take("relay", () => note(name))),
    turns.take("settlement", () => note("settlement")),
  ];
  const note = (name: string) => Promise.resolve(void done.push(name));
  first.resolve();
  await Promise.all(all);
  assert.deepEqual(done, ["first", "settlement", "relay 1", "relay 2"]);
});

Deno.test("a turn that fails is over, and its taker is told", async () => {
  const turns = new Turns();
  const failed = turns.take("settlement", () => Promise.reject(new Error("no")));
  const next = turns.take("settlement", () => Promise.resolve(1));
  await assert.rejects(failed, /no/);
  assert.equal(await next, 1);
});
