import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { Watch } from "./watch.ts";

/** Watches a folder; each burst of changes is waited for once. */
function open(dir: string, envFile: string | null = null) {
  const bursts: Promise<void>[] = [];
  const blind: string[] = [];
  let more = Promise.withResolvers<void>();
  const watch = new Watch({
    dir,
    envFile,
    onChange(settled) {
      bursts.push(settled);
      more.resolve();
      more = Promise.withResolvers();
    },
    onBlind: ({ message }) => void blind.push(message),
  });
  return {
    blind,
    count: () => bursts.length,
    [Symbol.dispose]: () => watch[Symbol.dispose](),
    /** Resolves when the next burst has settled. */
    async burst() {
      while (bursts.length === 0) await more.promise;
      await bursts.shift();
    },
  };
}

/** Does something, and waits until the system has told of it, the last of which is that file. */
async function seen(dir: string, work: () => Promise<void>, last: string): Promise<void> {
  using watcher = Deno.watchFs(dir);
  await work();
  for await (const { paths } of watcher) if (paths.some((path) => path.endsWith(last))) break;
}

const inProgram = (work: (dir: string) => Promise<void>) =>
  inFolder(async (folder) => {
    const dir = join(await Deno.realPath(folder), "program");
    await Deno.mkdir(dir);
    await Deno.writeTextFile(join(dir, "main"), "");
    await work(dir);
  });

Deno.test("files that are written, moved, made executable and removed are changes", async () => {
  await inProgram(async (dir) => {
    using watch = open(dir);
    const main = join(dir, "main");
    for (
      const change of [
        () => Deno.writeTextFile(main, "new"),
        () => Deno.chmod(main, 0o755),
        () => Deno.mkdir(join(dir, "lib")),
        () => Deno.writeTextFile(join(dir, "lib/part"), "new"),
        () => Deno.rename(join(dir, "lib/part"), main),
        () => Deno.remove(join(dir, "lib")),
      ]
    ) {
      await change();
      await watch.burst();
    }
    assert.deepEqual(watch.blind, []);
  });
});

Deno.test("many changes at once are one", async () => {
  await inProgram(async (dir) => {
    using watch = open(dir);
    const names = Array.from({ length: 200 }, (_, at) => join(dir, `file${at}`));
    await Promise.all(names.map((name) => Deno.writeTextFile(name, "")));
    await watch.burst();
    assert.ok(watch.count() < names.length / 10);
  });
});

Deno.test("what is not packed, and what editors keep, is no change", async () => {
  await inProgram(async (dir) => {
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), "*.log\nold/\n");
    await Deno.mkdir(join(dir, ".git"));
    await Deno.mkdir(join(dir, "old"));
    using watch = open(dir);
    // It is read by the time that the first change has settled.
    await Deno.writeTextFile(join(dir, "main"), "one");
    await watch.burst();
    const names = ["out.log", "old/file", ".git/HEAD", ".main.swp", "main~", "4913"];
    await seen(dir, async () => {
      for (const name of names) await Deno.writeTextFile(join(dir, name), "");
    }, names.at(-1)!);
    assert.equal(watch.count(), 0);
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), "");
    await watch.burst();
  });
});

Deno.test("a folder that another one takes the place of is watched from then on", async () => {
  await inProgram(async (dir) => {
    using watch = open(dir);
    await Deno.rename(dir, `${dir}.old`);
    await watch.burst();
    await Deno.mkdir(dir);
    await watch.burst();
    await Deno.writeTextFile(join(dir, "main"), "");
    await watch.burst();
  });
});

Deno.test("the environment's file is seen to be written, replaced and removed", async () => {
  await inProgram(async (dir) => {
    const file = join(dir, "../.env");
    await Deno.writeTextFile(file, "A=b");
    using watch = open(dir, file);
    await Deno.writeTextFile(file, "A=c");
    await watch.burst();
    await Deno.writeTextFile(`${file}.new`, "A=d");
    await Deno.rename(`${file}.new`, file);
    await watch.burst();
    await Deno.remove(file);
    await watch.burst();
  });
});
