import assert from "node:assert/strict";
import { buildInit, builtFor, bundleFor, isInitBuilt } from "./build.ts";
import { type Machine, ownMachine } from "./machine.ts";

/** e_machine of elf(5). */
const NUMBER: Record<Machine, number> = { x86_64: 62, aarch64: 183 };
const CROSS_COMPILER = "/usr/bin/aarch64-linux-gnu-gcc";

const canCross = ownMachine() === "x86_64" &&
  await Deno.stat(CROSS_COMPILER).then(() => true, () => false);

/** Of a 64-bit ELF file: its machine, and whether a loader has to be there. */
async function readElf(path: URL): Promise<{ machine: number; isStatic: boolean }> {
  const view = new DataView((await Deno.readFile(path)).buffer);
  const [PT_INTERP, TABLE, SIZE, COUNT] = [3, 32, 54, 56];
  const [at, size] = [Number(view.getBigUint64(TABLE, true)), view.getUint16(SIZE, true)];
  const kinds = Array.from(
    { length: view.getUint16(COUNT, true) },
    (_, index) => view.getUint32(at + index * size, true),
  );
  return { machine: view.getUint16(18, true), isStatic: !kinds.includes(PT_INTERP) };
}

async function constantOf(module: URL): Promise<string> {
  return (await Deno.readTextFile(module)).match(/"(.+)"/)![1]!;
}

Deno.test({
  name: canCross
    ? "both machines' helpers are built, each for its own, needing nothing of it"
    : "helpers for other machines: NOT RUN, no compiler for arm64 (gcc-aarch64-linux-gnu)",
  ignore: !canCross,
}, async () => {
  for (const machine of ["x86_64", "aarch64"] as const) {
    await buildInit(machine);
    assert(await isInitBuilt(machine));
    assert.equal(await buildInit(machine), false, "it is built once");
    const elf = await readElf(builtFor(machine).binary);
    assert.deepEqual(elf, { machine: NUMBER[machine], isStatic: true });
  }
});

Deno.test({
  name: canCross
    ? "a bundle for another machine carries that machine's helper, and else what it was"
    : "bundles for other machines: NOT RUN, no compiler for arm64 (gcc-aarch64-linux-gnu)",
  ignore: !canCross,
}, async () => {
  await buildInit("aarch64");
  const constants = async (machine: Machine) => {
    const { module, digestModule } = builtFor(machine);
    return { helper: await constantOf(module), digest: await constantOf(digestModule) };
  };
  const text = ({ helper, digest }: { helper: string; digest: string }) =>
    `const a = "${digest}"; const b = "${helper}"; start(a, b);`;
  const [ours, theirs] = [await constants("x86_64"), await constants("aarch64")];
  assert.notEqual(ours.digest, theirs.digest);
  assert.equal(await bundleFor("aarch64", text(ours)), text(theirs));
  assert.equal(await bundleFor("x86_64", text(ours)), text(ours));
  assert.equal(await bundleFor("aarch64", "none"), "none", "code that starts no sandbox");
  await assert.rejects(bundleFor("aarch64", text(ours) + text(ours)), { code: "internal" });
});
