import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { makeFolder } from "../../../worlds/home.ts";
import { SocketFolders } from "./socket_folders.ts";

const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;
const namesIn = async (dir: string) =>
  (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);

Deno.test("each folder is its own and nobody else's, and goes when it is over", async () => {
  await using world = await makeFolder();
  const root = join(world.dir, "in");
  const folders = await SocketFolders.open(root);
  const [one, other] = [await folders.take(), await folders.take()];
  assert.notEqual(one.path, other.path);
  for (const path of [root, one.path, other.path]) assert.equal(await modeOf(path), 0o700);
  await Deno.writeTextFile(join(one.path, "in"), "");
  await one.remove();
  await one.remove();
  assert.equal((await namesIn(root)).length, 1);
  await folders.close();
  await other.remove();
  assert.deepEqual(await namesIn(world.dir), []);
});

Deno.test("what an earlier process left behind is gone", async () => {
  await using world = await makeFolder();
  const root = join(world.dir, "in");
  const left = await (await SocketFolders.open(root)).take();
  await Deno.writeTextFile(join(left.path, "in"), "");
  const folders = await SocketFolders.open(root);
  assert.deepEqual(await namesIn(root), []);
  await folders.close();
});

Deno.test("a socket fits below it, however long the path that was wanted", async () => {
  await using world = await makeFolder();
  const far = join(world.dir, "a".repeat(90));
  for (const wanted of [far, null]) {
    const folders = await SocketFolders.open(wanted);
    const { path } = await folders.take();
    assert.equal(await modeOf(path), 0o700);
    const listener = Deno.listen({ transport: "unix", path: join(path, "in") });
    listener.close();
    await folders.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
  assert.deepEqual(await namesIn(world.dir), []);
});

Deno.test("so is a temporary folder of it, unless that is another's by now", async () => {
  await using world = await makeFolder();
  const far = join(world.dir, "a".repeat(90));
  const killed = await SocketFolders.open(far);
  const left = dirname((await killed.take()).path);
  const next = await SocketFolders.open(far);
  await assert.rejects(Deno.stat(left), Deno.errors.NotFound);
  await next.close();
  const others = join(world.dir, "khachapuri-others");
  await Deno.mkdir(others, { mode: 0o755 });
  const precious = join(world.dir, "precious");
  await Deno.mkdir(precious, { mode: 0o700 });
  await Deno.symlink(precious, join(world.dir, "khachapuri-link"));
  for (const name of ["khachapuri-others", "khachapuri-link", "precious"]) {
    await Deno.writeTextFile(far, join(world.dir, name));
    await (await SocketFolders.open(far)).close();
    assert.ok(await Deno.stat(join(world.dir, name)));
  }
});
