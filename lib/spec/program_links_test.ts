import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { PROGRAM_LINK_CHAIN_MAX } from "../limits.ts";
import { type ProgramEntry, strayLink } from "./program_links.ts";

const file = (path: string): ProgramEntry => ({ path, link: null });
const link = (path: string, to: string): ProgramEntry => ({ path, link: to });
const why = (...entries: ProgramEntry[]) => strayLink(entries)?.why ?? null;

Deno.test("links that stay inside the program are taken, also those that lead to nothing", () => {
  const taken = [
    link("node_modules/.bin/tool", "../tool/bin.js"),
    link("node_modules/own", "../packages/own"),
    link("self", "."),
    link("a/up", ".."),
    link("gone", "no/such/file"),
    link("a/odd", "..//./node_modules/"),
  ];
  assert.equal(why(file("main"), file("node_modules/tool/bin.js"), ...taken), null);
});

Deno.test("links that leave the program are named, by whatever way they leave", () => {
  for (const to of ["/etc/passwd", "..", "../x", "a/../../x", "x/../../y", "./../z"]) {
    assert.equal(why(file("a/b"), link("out", to)), "leads out of the program", to);
  }
  // In words it stays inside; the kernel goes through `deep` first, which is one folder up.
  const deep = link("a/b/deep", "../..");
  assert.equal(why(file("main"), deep, link("out", "a/b/deep/../x")), "leads out of the program");
  assert.equal(why(file("a/x/y"), link("l", "a/x"), link("m", "l/../x")), null);
  assert.equal(why(link("one", "two/x"), link("two", "..")), "leads out of the program");
});

Deno.test("links without end, and what is no path, are named", () => {
  assert.equal(why(link("a", "a")), "leads through too many links");
  assert.equal(why(link("a", "b"), link("b", "a/x")), "leads through too many links");
  const chain = Array.from({ length: PROGRAM_LINK_CHAIN_MAX + 3 }, (_, n) => n);
  assert.match(why(...chain.map((n) => link(`l${n}`, `l${n + 1}`)))!, /too many links/);
  assert.equal(why(...chain.toReversed().map((n) => link(`l${n}`, `l${n + 1}`))), null);
  assert.equal(why(link("a", "")), "is a link to no sane path");
  assert.equal(why(link("a", "new\nline")), "is a link to no sane path");
  assert.match(why(link("a", "../".repeat(64)))!, /more than 64 steps/);
  assert.match(why(link("a", "x".repeat(1_025)))!, /more than 1024 bytes/);
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
      if (strayLink(entries) !== null) return;
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
