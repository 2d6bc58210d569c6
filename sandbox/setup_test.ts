import assert from "node:assert/strict";
import { RLIMIT, sessionSetup } from "./setup.ts";

Deno.test("each start of a sandbox has a secret of its own, which its filter knows", () => {
  const limits = { timeoutMs: 1_000, memoryMb: 64, stdoutBytes: 1_000, stderrBytes: 1_000 };
  const [one, two] = [1, 2].map(() => sessionSetup({ programDir: "/app", limits }, 0));
  assert.notEqual(one!.secret, two!.secret);
  assert.notDeepEqual(one!.filter, two!.filter);
});

Deno.test("the resource numbers are those of the kernel's own header", async () => {
  const header = await Deno.readTextFile("/usr/include/asm-generic/resource.h");
  for (const [name, number] of Object.entries(RLIMIT)) {
    const define = new RegExp(`^#\\s*define RLIMIT_${name.toUpperCase()}\\s+${number}\\b`, "m");
    assert.match(header, define);
  }
});
