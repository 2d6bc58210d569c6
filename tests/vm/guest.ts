/**
 * Runs inside the emulated Debian, as a systemd service with Delegate=yes: what the kernel's
 * cgroup v2 must do for a run, with the sandbox as it ships. One line a case; the last says `done`.
 */
import { openSandbox, type SandboxHost } from "../../sandbox/sandbox.ts";
import { limitCases, limits } from "./limits.ts";
import { serverCases } from "./servers.ts";
import { tellCases } from "./told.ts";

const [label, helperPath] = Deno.args as [string, string];
const runUid = Deno.uid() === 0 || label === "ambient" ? 1_800_000_000 : null;
const host: SandboxHost = { launcher: "bwrap", runUid, helperPath };

const sandbox = await openSandbox(host, { programDir: "/opt/abuse", limits });
await tellCases(label, { ...limitCases(host, sandbox), ...serverCases(host) });
await sandbox.close();
