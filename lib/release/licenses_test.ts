import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LICENSES_FILE, readLicenses } from "./licenses.ts";

Deno.test("readLicenses() reads what lies beside the bundle, and says where it is from source", async () => {
  const dir = await Deno.makeTempDir();
  const beside = pathToFileURL(join(dir, LICENSES_FILE));
  try {
    await assert.rejects(readLicenses(beside), { code: "not_found" });
    const licenses = [{ name: "x", version: "1.0.0", license: "MIT", text: "Copyright X\n" }];
    await Deno.writeTextFile(beside, JSON.stringify(licenses));
    assert.deepEqual(await readLicenses(beside), licenses);
    await Deno.writeTextFile(beside, '[{"name":"x"}]');
    await assert.rejects(readLicenses(beside), { code: "invalid_input" });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  await assert.rejects(readLicenses(), { code: "not_found" });
});
