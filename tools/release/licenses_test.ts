import assert from "node:assert/strict";
import { join } from "node:path";
import { allPackages, collectLicenses } from "./licenses.ts";

Deno.test("collectLicenses() has our text, the runtime's, musl's and each package's", async () => {
  const licenses = await collectLicenses(
    allPackages(["viem@2.57.20", "@multiformats/murmur3@2.2.8", "agent-base@6.0.2"]),
  );
  assert.deepEqual(licenses.map(({ name }) => name), [
    "khachapuri",
    "deno",
    "v8",
    "musl",
    "@multiformats/murmur3",
    "@openzeppelin/contracts",
    "agent-base",
    "viem",
  ]);
  const textOf = (name: string) => licenses.find((each) => each.name === name)!.text;
  assert.match(textOf("viem"), /Copyright \(c\) \d{4}-present weth/);
  assert.match(textOf("@multiformats/murmur3"), /without a text; taken under Apache-2\.0/);
  // Its README has the text, and no file of its own.
  assert.match(textOf("agent-base"), /^\(The MIT License\)[^]*Nathan Rajlich[^]*THE SOFTWARE\.\n$/);
  assert.match(textOf("musl"), /Rich Felker/);
  assert.match(textOf("deno"), /the Deno authors/);
});

Deno.test("a package without a text fails the build by its name", async () => {
  const dir = await Deno.makeTempDir();
  try {
    for (const name of ["bare", "silent", "named"]) {
      const inner = join(dir, `${name}@1.0.0`, "node_modules", name);
      await Deno.mkdir(inner, { recursive: true });
      await Deno.writeTextFile(join(inner, "package.json"), '{"license":"MIT"}');
    }
    await Deno.writeTextFile(join(dir, "silent@1.0.0/node_modules/silent/LICENSE"), "text");
    const readme = join(dir, "named@1.0.0/node_modules/named/README.md");
    await Deno.writeTextFile(readme, "# named\n\n## License\n\nMIT, copyright its authors\n");
    const names = ["bare@1.0.0", "silent@1.0.0", "named@1.0.0", "@not/there@2.0.0"];
    await assert.rejects(
      collectLicenses(names, dir),
      /text of bare@1\.0\.0, named@1\.0\.0, @not\/there@2\.0\.0:/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
