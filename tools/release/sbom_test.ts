import assert from "node:assert/strict";
import { join } from "node:path";
import { isValidatorThere, schemaFault } from "../../worlds/sbom_validator.ts";
import { ARCHITECTURES, DENO_VERSION } from "./architectures.ts";
import { allPackages, collectLicenses } from "./licenses.ts";
import { type Contents, type Lock, sbomOf } from "./sbom.ts";

const LOCK: Lock = JSON.parse(
  await Deno.readTextFile(join(import.meta.dirname!, "../../deno.lock")),
);

async function contents(): Promise<Contents> {
  const packages = allPackages(["viem@2.57.20", "abitype@1.2.3", "@noble/curves@1.9.1"]);
  return {
    version: "0.1.0",
    architecture: ARCHITECTURES[1]!,
    sha256: "ab".repeat(32),
    commit: "cd".repeat(20),
    timestamp: 1_796_010_923,
    packages,
    licenses: await collectLicenses(packages),
    compiler: { name: "aarch64-linux-gnu-gcc 12.2.0", musl: "1.2.3-1" },
    denoVersion: DENO_VERSION,
    lock: LOCK,
  };
}

Deno.test("sbomOf() names what is in a package, with hashes, licences and who needs whom", async () => {
  const given = await contents();
  const text = sbomOf(given);
  assert.equal(sbomOf(given), text, "the same contents, the same text");
  const { components, dependencies, metadata } = JSON.parse(text);
  assert.equal(metadata.timestamp, "2026-11-30T03:55:23.000Z");
  const names = components.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, [
    "@noble/curves",
    "@openzeppelin/contracts",
    "abitype",
    "viem",
    "deno",
    "v8",
    "musl",
  ]);
  const deno = components.find(({ name }: { name: string }) => name === "deno");
  assert.equal(deno.purl, `pkg:npm/%40deno/linux-arm64-glibc@${DENO_VERSION}`);
  assert.equal(deno.hashes[0].content.length, 128);
  const needs = Object.fromEntries(
    dependencies.map((each: { ref: string; dependsOn: string[] }) => [each.ref, each.dependsOn]),
  );
  assert.deepEqual(needs["pkg:npm/viem@2.57.20"], [
    "pkg:npm/%40noble/curves@1.9.1",
    "pkg:npm/abitype@1.2.3",
  ]);
  const own = needs["pkg:generic/khachapuri@0.1.0?arch=arm64&os=linux"];
  assert.ok(own.includes("musl") && own.includes("pkg:npm/viem@2.57.20"));
  assert.ok(!own.includes("pkg:npm/abitype@1.2.3"), "viem needs it, not we");
});

Deno.test("a package that the lock does not know, or without a licence, is an error", async () => {
  const given = await contents();
  assert.throws(() => sbomOf({ ...given, packages: ["not-there@1.0.0"] }), /not in deno\.lock/);
  assert.throws(() => sbomOf({ ...given, licenses: [] }), /no licence of/);
});

Deno.test("CycloneDX's own validator takes it", async () => {
  if (!await isValidatorThere()) return;
  const text = sbomOf(await contents());
  assert.equal(await schemaFault(text), null);
  assert.notEqual(await schemaFault(text.replace('"SHA-512"', '"SHA-000"')), null);
});
