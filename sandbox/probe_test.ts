import assert from "node:assert/strict";
import { probeSandbox } from "./probe.ts";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";

const runUid = Deno.uid() === 0 ? 1_805_000_000 : null;

eachLauncher("the probe says yes here", async (launcher) => {
  const probe = await probeSandbox({ ...launcher, runUid });
  assert.equal(probe.ok, true, JSON.stringify(probe));
});

Deno.test("the probe says what to install where the launcher is missing", async () => {
  const hints = { bwrap: /^apt-get install bubblewrap$/, nsjail: /bwrap/ };
  for (const launcher of ["bwrap", "nsjail"] as const) {
    const missing = await probeSandbox({ launcher, runUid, launcherPath: `/no/such/${launcher}` });
    assert(!missing.ok && hints[launcher].test(missing.hints.at(-1)!), JSON.stringify(missing));
  }
});

Deno.test("the probe refuses to run programs as uid 0", async () => {
  const probe = await probeSandbox({ launcher: "bwrap", runUid: 0 });
  assert(!probe.ok && /uid 0/.test(probe.reason), JSON.stringify(probe));
});
