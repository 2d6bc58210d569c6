/**
 * The permissions that the command line runs with, one by one. `package` and `compile` bake them
 * into the file they build, the task `khachapuri` and the tests use the same list.
 */
import { join } from "node:path";

/** Environment variables that we read ourselves; PGAPPNAME is the database client's. */
const OWN_VARIABLES = [
  "HOME",
  "KHACHAPURI_ATTENDANT",
  "KHACHAPURI_FILE",
  "KHACHAPURI_HOME",
  "KHACHAPURI_KUBO_TOKEN",
  "KHACHAPURI_PINATA_JWT",
  "KHACHAPURI_PIN_TOKEN",
  "KHACHAPURI_TRACE",
  "LISTEN_FDNAMES",
  "LISTEN_FDS",
  "LISTEN_PID",
  "NOTIFY_SOCKET",
  "PGAPPNAME",
  "PGPASSFILE",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
];

/** The sandbox's native helper as the set-up builds it: all that we ever start. */
export const HELPER = ".cache/init/khachapuri-init";

/**
 * Reading and writing are not confined to folders: a deployer names program folders and key files
 * anywhere, a provider its state folder. A provider's systemd unit narrows both.
 * @param helper path of the sandbox's native helper
 */
export function permissions(helper: string): string[] {
  return [
    "--allow-read",
    "--allow-write",
    "--allow-net",
    `--allow-env=${OWN_VARIABLES.join(",")}`,
    `--allow-run=${helper}`,
    "--allow-sys=uid,gid,systemMemoryInfo,statfs",
  ];
}

/** Those of the command line from source, started from any folder. */
export const PERMISSIONS: readonly string[] = permissions(
  join(import.meta.dirname!, "..", HELPER),
);

/**
 * Tests start anvil, forge, deno and curl, and kill what they started: both need `--allow-run`
 * without a list, since a list cannot name the deno that npx unpacked.
 */
export const PERMISSIONS_OF_TESTS: readonly string[] = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-env",
  "--allow-run",
  "--allow-sys",
];
