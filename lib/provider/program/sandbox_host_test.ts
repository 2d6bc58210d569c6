import assert from "node:assert/strict";
import { sandboxHost } from "./sandbox_host.ts";

Deno.test("programs get uids of their own wherever they can have them", async () => {
  const host = await sandboxHost({ launcher: "bwrap" });
  if (Deno.uid() === 0) assert.equal(host.runUid, 1_800_000_000);
  const told = { launcher: "nsjail", launcherPath: "/opt/nsjail", runUid: 7_000 } as const;
  assert.deepEqual(await sandboxHost(told), told, "the operator's word");
});
