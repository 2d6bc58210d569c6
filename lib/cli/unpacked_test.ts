import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ownFolder, removeUnused } from "./unpacked.ts";

const NOW = Date.UTC(2027, 0, 1);
const HOUR_MS = 3_600_000;
const digest = (digit: string) => digit.repeat(64);

async function names(base: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(base)) found.push(name);
  return found.sort();
}

async function unpack(base: string, name: string, hoursAgo: number): Promise<string> {
  const dir = join(base, name);
  await Deno.mkdir(dir);
  await Deno.writeTextFile(join(dir, "deno"), "the runtime");
  const hold = join(dir, "in-use");
  await Deno.writeTextFile(hold, "");
  const then = new Date(NOW - hoursAgo * HOUR_MS);
  for (const path of [hold, dir]) await Deno.utime(path, then, then);
  return dir;
}

async function inBase(test: (base: string) => Promise<void>): Promise<void> {
  const base = await Deno.makeTempDir();
  try {
    await test(base);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

Deno.test("versions that nobody uses go, but the last one before this", () =>
  inBase(async (base) => {
    const own = await unpack(base, digest("a"), 500);
    await unpack(base, digest("b"), 30);
    await unpack(base, digest("c"), 20);
    await unpack(base, digest("d"), 40);
    await removeUnused(own, NOW);
    assert.deepEqual(await names(base), [digest("a"), digest("c")]);
    await removeUnused(own, NOW);
    assert.deepEqual(await names(base), [digest("a"), digest("c")]);
  }));

Deno.test("a version that a process holds stays, and one that was started from just now", () =>
  inBase(async (base) => {
    const own = await unpack(base, digest("a"), 0);
    await unpack(base, digest("b"), 1 / 4);
    await unpack(base, digest("c"), 1 / 2);
    const running = await unpack(base, digest("d"), 700);
    const code = "const f = Deno.openSync(Deno.args[0], { read: true }); f.lockSync(false);" +
      "console.log('held'); await new Response(Deno.stdin.readable).text();";
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", code, join(running, "in-use")],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const said = holder.stdout.getReader();
    await said.read();
    await removeUnused(own, NOW);
    assert.deepEqual(await names(base), ["a", "b", "c", "d"].map(digest));
    holder.kill("SIGKILL");
    await Promise.all([holder.status, holder.stdin.close().catch(() => {}), said.cancel()]);
    await removeUnused(own, NOW);
    assert.deepEqual(await names(base), ["a", "b", "c"].map(digest));
  }));

Deno.test("what was left half-made goes after an hour, and nothing else is touched", () =>
  inBase(async (base) => {
    const own = await unpack(base, digest("a"), 0);
    await unpack(base, ".fresh.old", 2);
    await unpack(base, ".fresh.new", 1 / 2);
    await unpack(base, ".gone.x", 0);
    await unpack(base, "notes", 900);
    await unpack(base, digest("b"), 1);
    // Of a package that held nothing yet: whether it runs, nobody can tell.
    await Deno.remove(join(await unpack(base, digest("c"), 900), "in-use"));
    await Deno.symlink(join(base, "notes"), join(base, digest("d")));
    await removeUnused(own, NOW);
    const kept = [".fresh.new", ...["a", "b", "c", "d"].map(digest), "notes"];
    assert.deepEqual(await names(base), kept.sort());
    assert.deepEqual(await names(join(base, "notes")), ["deno", "in-use"]);
  }));

Deno.test("ownFolder() knows the packaged file's folders from all others", () => {
  const url = (path: string) => pathToFileURL(path).href;
  const own = `/home/nino/.cache/khachapuri/${digest("a")}`;
  assert.equal(ownFolder(url(`${own}/app/main.js`)), own);
  assert.equal(ownFolder(url(`${own}/main.js`)), null);
  assert.equal(ownFolder(url("/home/nino/khachapuri/app/main.js")), null);
  assert.equal(ownFolder("https://khachapuri.example/app/main.js"), null);
});
