/**
 * Connections that wait for a process which stops listening go to the other one that listens there,
 * as `khachapuri up` has it on a provider's machine.
 */

/** Has the kernel do so, where we may tell it; false: one in many may be reset. */
export async function migrateQueues(): Promise<boolean> {
  const said = await new Deno.Command("sysctl", {
    args: ["-w", "net.ipv4.tcp_migrate_req=1"],
    stdout: "null",
    stderr: "null",
  }).output().catch(() => null);
  return said?.success ?? false;
}
