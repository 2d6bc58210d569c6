import assert from "node:assert/strict";
import { join } from "node:path";
import { allPackages, collectLicenses } from "./licenses.ts";

Deno.test("collectLicenses() has our text, the runtime's, musl's and each package's", async () => {
  const licenses = await collectLicenses(
    allPackages(["viem@2.57.20", "@multiformats/murmur3@2.2.8"]),
  );
  assert.deepEqual(licenses.map(({ name }) => name), [
    "khachapuri",
    "deno",
    "v8",
    "musl",
    "@multiformats/murmur3",
    "@openzeppelin/contracts",
    "viem",
  ]);
  const textOf = (name: string) => licenses.find((each) => each.name === name)!.text;
  assert.match(textOf("viem"), /Copyright \(c\) \d{4}-present weth/);
  assert.match(textOf("@multiformats/murmur3"), /without a text; taken under Apache-2\.0/);
  assert.match(textOf("musl"), /Rich Felker/);
  assert.match(textOf("deno"), /the Deno authors/);
});

Deno.test("a package without a text fails the build by its name", async () => {
  const dir = await Deno.makeTempDir();
  try {
    for (const name of ["bare", "silent"]) {
      const inner = join(dir, `${name}@1.0.0`, "node_modules", name);
      await Deno.mkdir(inner, { recursive: true });
      await Deno.writeTextFile(join(inner, "package.json"), '{"license":"MIT"}');
    }
    await Deno.writeTextFile(join(dir, "silent@1.0.0/node_modules/silent/LICENSE"), "text");
    const names = ["bare@1.0.0", "silent@1.0.0", "@not/there@2.0.0"];
    await assert.rejects(collectLicenses(names, dir), /text of bare@1\.0\.0, @not\/there@2\.0\.0:/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
