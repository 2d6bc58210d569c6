import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { type Retirable, Versions } from "./versions.ts";

interface Version extends Retirable {
  readonly name: string;
}

/** Versions out of what the test puts there: a name, null for no change, or a fault. */
function open(...next: (string | null | KhachapuriError)[]) {
  const built: (string | null)[] = [];
  const gone: string[] = [];
  const retired: string[] = [];
  let builds = 0;
  let held: { begin(): void; gone: Promise<void> } | null = null;
  /** Has the next build wait. */
  const building = () => {
    const begin = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    held = { begin: begin.resolve, gone: end.promise };
    return { begun: begin.promise, go: end.resolve };
  };
  const versions = new Versions<Version>({
    async build() {
      builds += 1;
      held?.begin();
      await held?.gone;
      held = null;
      const given = next.shift();
      if (given === undefined) throw new Error("nothing to build");
      if (given instanceof KhachapuriError) throw given;
      if (given === null) return null;
      const dispose = () => Promise.resolve(void gone.push(given));
      const retire = () => void retired.push(given);
      return { name: given, retire, [Symbol.asyncDispose]: dispose };
    },
    onBuilt: (fault) => void built.push(fault?.shortMessage ?? null),
  });
  const take = async () => {
    const { version, release } = await versions.take();
    return { name: version.name, release };
  };
  return { versions, take, built, retired, gone, next, building, builds: () => builds };
}

const settled = Promise.resolve();

Deno.test("who asks after a change gets what is built once it has settled", async () => {
  const { versions, take, retired, gone } = open("a", "b");
  const first = await take();
  const change = Promise.withResolvers<void>();
  versions.renew(change.promise);
  const second = take();
  change.resolve();
  assert.equal((await second).name, "b");
  assert.equal(first.name, "a");
  assert.deepEqual(gone, []);
  assert.deepEqual(retired, ["a"], "told while it is in use");
  first.release();
  first.release();
  assert.deepEqual(gone, ["a"]);
});

Deno.test("a version without requests goes as the next one comes", async () => {
  const { versions, take, gone } = open("a", "b");
  (await take()).release();
  assert.deepEqual(gone, []);
  versions.renew(settled);
  (await take()).release();
  assert.deepEqual(gone, ["a"]);
  await versions.close();
  assert.deepEqual(gone, ["a", "b"]);
});

Deno.test("a change that changes nothing leaves the version, and is not told", async () => {
  const { versions, take, built, gone } = open("a", null);
  versions.renew(settled);
  assert.equal((await take()).name, "a");
  assert.deepEqual([built, gone], [[null], []]);
});

Deno.test("a broken version is refused with its reason, and the one before is gone", async () => {
  const broken = new KhachapuriError("invalid_program", "broken");
  const { versions, take, built, gone } = open("a", broken, "b");
  await take().then(({ release }) => release());
  versions.renew(settled);
  await assert.rejects(take(), { code: "invalid_program", message: "broken" });
  await assert.rejects(take(), { code: "invalid_program", message: "broken" });
  assert.deepEqual(gone, ["a"]);
  versions.renew(settled);
  assert.equal((await take()).name, "b");
  assert.deepEqual(built, [null, "broken", null]);
});

Deno.test("however much changes during a build, one more follows", async () => {
  const { versions, take, builds, building } = open("a", "b", "c");
  await take();
  const { begun, go } = building();
  versions.renew(settled);
  const second = take();
  await begun;
  for (let count = 0; count < 100; count++) versions.renew(settled);
  const third = take();
  go();
  assert.equal((await second).name, "b");
  assert.equal((await third).name, "c");
  assert.equal(builds(), 3);
});

Deno.test("closing ends versions that are in use, too", async () => {
  const { versions, take, gone } = open("a", "b");
  await take();
  versions.renew(settled);
  await take();
  await versions.close();
  assert.deepEqual(gone.sort(), ["a", "b"]);
});

Deno.test("what was not foreseen is a fault like others", async () => {
  const { take, built } = open();
  await assert.rejects(take(), { code: "internal" });
  assert.match(String(built[0]), /nothing to build/);
});
