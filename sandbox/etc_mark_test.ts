import assert from "node:assert/strict";
import { join } from "node:path";
import { makeEtc } from "./etc.ts";

interface Places {
  root: string;
  etc: string;
}

/** A machine's /etc of a few files, and the copy of it. */
async function inPlaces(look: (places: Places) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const [root, etc] = [join(dir, "machine"), join(dir, "etc")];
  try {
    await Deno.mkdir(join(root, "ssl/certs"), { recursive: true });
    await Deno.mkdir(join(root, "alternatives"));
    await Deno.writeTextFile(join(root, "services"), "ssh 22");
    await Deno.writeTextFile(join(root, "ssl/certs/a.pem"), "a");
    await Deno.writeTextFile(join(root, "fstab"), "not copied");
    await Deno.symlink("/usr/bin/env", join(root, "alternatives/link"));
    makeEtc(etc, root);
    await look({ root, etc });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Whether a start made the copy anew. */
async function isMadeAnew({ root, etc }: Places): Promise<boolean> {
  const before = (await Deno.stat(etc)).ino;
  makeEtc(etc, root);
  return (await Deno.stat(etc)).ino !== before;
}

Deno.test("a copy is left as it is where a new one would be the same", async () => {
  await inPlaces(async (places) => {
    assert.equal(await isMadeAnew(places), false);
    await Deno.writeTextFile(join(places.root, "fstab"), "what is not copied may change");
    await Deno.writeTextFile(join(places.root, "new"), "and come");
    assert.equal(await isMadeAnew(places), false);
  });
});

Deno.test("a copy is made anew when what it is made of changes", async (t) => {
  const changes: Record<string, (root: string) => unknown> = {
    "a file's content, of the same length and time": async (root) => {
      const path = join(root, "services");
      const { atime, mtime, ctime } = await Deno.stat(path);
      // The kernel's clock for files moves on every few milliseconds.
      do {
        await Deno.writeTextFile(path, "ssh 23");
        await Deno.utime(path, atime!, mtime!);
      } while ((await Deno.stat(path)).ctime!.getTime() === ctime!.getTime());
    },
    "who may read a file": (root) => Deno.chmod(join(root, "ssl/certs/a.pem"), 0o600),
    "a file that comes": (root) => Deno.writeTextFile(join(root, "ssl/certs/b.pem"), "b"),
    "a file that goes": (root) => Deno.remove(join(root, "ssl/certs/a.pem")),
    "where a link leads": async (root) => {
      await Deno.remove(join(root, "alternatives/link"));
      await Deno.symlink("/usr/bin/sort", join(root, "alternatives/link"));
    },
    "a file that a package brings for the first time": (root) =>
      Deno.writeTextFile(join(root, "gai.conf"), "g"),
  };
  for (const [what, change] of Object.entries(changes)) {
    await t.step(what, () =>
      inPlaces(async (places) => {
        await change(places.root);
        assert.equal(await isMadeAnew(places), true);
        assert.equal(await isMadeAnew(places), false);
      }));
  }
});

Deno.test("a copy that is not whole is made anew", async (t) => {
  const faults: Record<string, (etc: string) => unknown> = {
    "a file that the disk has emptied": (etc) => Deno.truncate(join(etc, "services")),
    "a file that is gone": (etc) => Deno.remove(join(etc, "ssl/certs/a.pem")),
    "a closed file": (etc) => Deno.chmod(join(etc, "services"), 0o600),
    "no copy at all": (etc) => Deno.remove(etc, { recursive: true }),
    "a start that was killed before it was done": (etc) => Deno.remove(`${etc}.mark`),
    "a mark of another release": (etc) => Deno.writeTextFile(`${etc}.mark`, "[]"),
  };
  for (const [what, harm] of Object.entries(faults)) {
    await t.step(what, () =>
      inPlaces(async (places) => {
        await harm(places.etc);
        makeEtc(places.etc, places.root);
        assert.equal(await Deno.readTextFile(join(places.etc, "services")), "ssh 22");
        assert.equal((await Deno.stat(join(places.etc, "services"))).mode! & 0o777, 0o644);
        assert.equal(await Deno.readTextFile(join(places.etc, "ssl/certs/a.pem")), "a");
      }));
  }
});
