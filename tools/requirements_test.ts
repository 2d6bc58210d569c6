import assert from "node:assert/strict";
import {
  ARM64_EMULATOR,
  COMPILER,
  EMULATOR,
  missingOf,
  PEERS,
  type Requirement,
  WANTED_BY_TESTS,
  WORLD,
} from "./requirements.ts";

async function isInstalled({ debianPackage }: Requirement): Promise<boolean> {
  const { success, stdout } = await new Deno.Command("dpkg-query", {
    args: ["--show", "--showformat=${Status}", debianPackage],
    stderr: "null",
  }).output();
  return success && new TextDecoder().decode(stdout) === "install ok installed";
}

Deno.test("a package that is installed is not installed again", async () => {
  const missing = await missingOf([
    ...COMPILER,
    ...WORLD,
    ...WANTED_BY_TESTS,
    ...PEERS,
    ...EMULATOR,
    ...ARM64_EMULATOR,
  ]);
  for (const requirement of missing) {
    assert.ok(!await isInstalled(requirement), requirement.debianPackage);
  }
});
