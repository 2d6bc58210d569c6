/**
 * Tests of many files in one process: `deno test tools/together.ts -- FILE…`. Each file of its own
 * would load its modules anew, which took more than half of the unit tests' processor time.
 */
for (const path of Deno.args) await import(new URL(path, new URL("../", import.meta.url)).href);
