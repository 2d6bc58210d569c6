import assert from "node:assert/strict";
import { factsModule, packagesIn, writeImportMap } from "./bundle.ts";

Deno.test("packagesIn() names the packages whose code a bundle has", () => {
  const code = [
    "// node_modules/.deno/@noble+hashes@2.4.0/node_modules/@noble/hashes/sha2.js",
    "  // node_modules/.deno/viem@2.57.20/node_modules/viem/_esm/index.js",
    "// node_modules/.deno/viem@2.57.20/node_modules/viem/_esm/errors.js",
    "// node_modules/.deno/ox@0.14.67_1/node_modules/ox/_esm/core.js",
    "const text = '// node_modules/.deno/no@1.0.0/node_modules/no/x.js';",
    "// lib/cli/cli.ts",
  ].join("\n");
  const rest = "// node_modules/.deno/viem@2.57.20/node_modules/viem/_esm/rest.js";
  const packages = ["@noble/hashes@2.4.0", "ox@0.14.67", "viem@2.57.20"];
  assert.deepEqual(packagesIn([code, rest]), packages);
});

Deno.test("an import map follows from what is put in place, and from nothing else", async () => {
  const baked = factsModule({ commit: "source", trustedKey: null });
  const path = await writeImportMap(baked);
  assert.equal(await writeImportMap(baked), path);
  const { imports } = JSON.parse(await Deno.readTextFile(path));
  const ours = "../../../lib/release/build_facts.ts";
  assert.equal(imports[ours], "./lib/release/build_facts.ts");
  assert.equal(imports["viem/"], `${imports.viem.replace("npm:", "npm:/")}/`);
  const other = factsModule({ commit: "source", trustedKey: "RW" });
  assert.notEqual(await writeImportMap(other), path);
  assert.match(Object.values(other).join(""), /^export const TRUSTED_KEY = "RW";$/m);
});
