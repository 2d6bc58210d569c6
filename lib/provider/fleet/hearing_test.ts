import assert from "node:assert/strict";
import { turn } from "../../../worlds/turns.ts";
import { HEARING_MAX } from "../../limits_of_peers.ts";
import { Hearing } from "./hearing.ts";

/** A log whose looks are answered by a test. */
function openWorld() {
  const looks: { session: number; answer(seen: number): void; fail(error: Error): void }[] = [];
  const hearing = new Hearing({
    seenElsewhere(session) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      looks.push({ session, answer: resolve, fail: reject });
      return promise;
    },
  });
  const look = async () => {
    while (looks.length === 0) await turn();
    return looks.shift()!;
  };
  return { hearing, looks, look };
}

Deno.test("one look serves all who wait, and who comes meanwhile is served by the next", async () => {
  const { hearing, looks, look } = openWorld();
  const done: number[] = [];
  const wait = (seq: number, session: number) =>
    hearing.wait(seq, session).then(() => void done.push(seq));
  const all = [wait(4, 1)];
  const first = await look();
  for (const seq of [5, 6, 3]) all.push(wait(seq, 2));
  assert.equal(looks.length, 0);
  first.answer(9);
  await all[0];
  assert.deepEqual([first.session, done], [1, [4]], "the others came after it had begun");
  const second = await look();
  second.answer(5);
  await Promise.all([all[1], all[3]]);
  assert.deepEqual([second.session, done], [2, [4, 5, 3]]);
  (await look()).answer(Infinity);
  await Promise.all(all);
  // Nobody waits, nobody looks.
  await turn();
  assert.equal(looks.length, 0);
});

Deno.test("a look that fails is told to who waited for it, and the next one looks again", async () => {
  const { hearing, look } = openWorld();
  const waiting = assert.rejects(hearing.wait(1, 1), /away/);
  (await look()).fail(new Error("away"));
  await waiting;
  const again = hearing.wait(1, 1);
  (await look()).answer(1);
  await again;
});

Deno.test("so many wait at a time, and others are told to ask again", async () => {
  const { hearing, look } = openWorld();
  const waiting = Array.from({ length: HEARING_MAX }, () => hearing.wait(1, 1));
  const refusal = { code: "provider_unavailable", retryAfterSeconds: 1 };
  await assert.rejects(hearing.wait(1, 1), refusal);
  (await look()).answer(0);
  (await look()).answer(1);
  await Promise.all(waiting);
  const later = hearing.wait(2, 1);
  (await look()).answer(2);
  await later;
});
