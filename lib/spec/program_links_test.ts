import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { LINKS_FOLLOWED, type ProgramEntry, strayLink } from "./program_links.ts";

const file = (path: string): ProgramEntry => ({ path, link: null });
const link = (path: string, to: string): ProgramEntry => ({ path, link: to });
const why = async (...entries: ProgramEntry[]) => (await strayLink(entries))?.why ?? null;

Deno.test("links that stay inside the program are taken, also those that lead to nothing", async () => {
  const taken = [
    link("node_modules/.bin/tool", "../tool/bin.js"),
    link("node_modules/own", "../packages/own"),
    link("self", "."),
    link("a/up", ".."),
    link("gone", "no/such/file"),
    link("a/odd", "..//./node_modules/"),
  ];
  assert.equal(await why(file("main"), file("node_modules/tool/bin.js"), ...taken), null);
});

Deno.test("links that leave the program are named, by whatever way they leave", async () => {
  for (const to of ["/etc/passwd", "..", "../x", "a/../../x", "x/../../y", "./../z"]) {
    assert.equal(await why(file("a/b"), link("out", to)), "leads out of the program", to);
  }
  // In words it stays inside; the kernel goes through `deep` first, which is one folder up.
  const deep = link("a/b/deep", "../..");
  assert.equal(
    await why(file("main"), deep, link("out", "a/b/deep/../x")),
    "leads out of the program",
  );
  assert.equal(await why(file("a/x/y"), link("l", "a/x"), link("m", "l/../x")), null);
  assert.equal(await why(link("one", "two/x"), link("two", "..")), "leads out of the program");
});

Deno.test("links without end, and what is no path, are named", async () => {
  assert.equal(await why(link("a", "a")), "leads through too many links");
  assert.equal(await why(link("a", "b"), link("b", "a/x")), "leads through too many links");
  const chain = Array.from({ length: LINKS_FOLLOWED + 3 }, (_, n) => n);
  assert.match((await why(...chain.map((n) => link(`l${n}`, `l${n + 1}`))))!, /too many links/);
  assert.equal(await why(...chain.toReversed().map((n) => link(`l${n}`, `l${n + 1}`))), null);
  assert.equal(await why(link("a", "")), "is a link to no sane path");
  assert.equal(await why(link("a", "new\nline")), "is a link to no sane path");
  assert.match((await why(link("a", "../".repeat(64))))!, /more than 64 steps/);
  assert.match((await why(link("a", "x".repeat(1_025))))!, /more than 1024 bytes/);
});

Deno.test("what is taken never leaves the folder for the kernel either", async () => {
  const name = fc.constantFrom("a", "b", "c");
  const to = fc.array(fc.constantFrom("..", "a", "b", "c", "."), { minLength: 1, maxLength: 5 });
  const links = fc.uniqueArray(
    fc.record({ at: fc.array(name, { minLength: 1, maxLength: 2 }), to }),
    { maxLength: 5, selector: ({ at }) => at.join("/") },
  );
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(links, async (wanted) => {
      const entries = wanted.map(({ at, to }) => link(at.join("/"), to.join("/")));
      const paths = entries.map(({ path }) => path);
      // An archive has no entry below a link.
      fc.pre(!paths.some((path) => paths.some((other) => path.startsWith(`${other}/`))));
      if (await strayLink(entries) !== null) return;
      taken += 1;
      const dir = await Deno.realPath(await Deno.makeTempDir());
      try {
        for (const { path, link } of entries) {
          await Deno.mkdir(join(dir, path, ".."), { recursive: true });
          await Deno.symlink(link!, join(dir, path));
        }
        for (const { path } of entries) {
          const real = await Deno.realPath(join(dir, path)).catch(() => dir);
          assert(real === dir || real.startsWith(`${dir}/`), `${path} is ${real}`);
        }
      } finally {
        await Deno.remove(dir, { recursive: true });
      }
    }),
    { numRuns: 300 },
  );
  assert(taken > 50);
});
