import assert from "node:assert/strict";
import { AtOnce } from "./at_once.ts";

function open() {
  const begun: PromiseWithResolvers<void>[] = [];
  const again = new AtOnce(() => {
    begun.push(Promise.withResolvers());
    return begun.at(-1)!.promise;
  });
  return { begun, again };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("what is asked for while it is being done is done once more, for all who asked", async () => {
  const { begun, again } = open();
  const first = again.do();
  await turn();
  const others = [again.do(), again.do()];
  await turn();
  assert.equal(begun.length, 1);
  begun[0]!.resolve();
  await first;
  await turn();
  assert.equal(begun.length, 2);
  begun[1]!.resolve();
  await Promise.all(others);
  assert.equal(begun.length, 2);
});

Deno.test("one that fails fails for who asked for it, and keeps nobody else from his", async () => {
  const { begun, again } = open();
  const first = again.do();
  await turn();
  const second = again.do();
  begun[0]!.reject(new Error("away"));
  await assert.rejects(first, /away/);
  await turn();
  begun[1]!.resolve();
  await second;
});
