/**
 * The permissions that the command line runs with, one by one. `package` and `compile` bake them
 * into the file they build, the task `khachapuri` and the tests use the same list.
 */

/** Environment variables that we read ourselves. */
const OWN_VARIABLES = ["HOME", "KHACHAPURI_HOME", "KHACHAPURI_KUBO_TOKEN", "KHACHAPURI_TRACE"];

/** Environment variables that node:child_process looks at. */
const LIBRARY_VARIABLES = ["NODE_V8_COVERAGE"];

/** What the sandbox starts; prlimit goes on to setpriv and the launcher. */
const PROGRAMS = ["/usr/bin/prlimit", "/usr/bin/pkill", "/usr/bin/kill"];

/**
 * Reading and writing are not confined to folders: a deployer names program folders and key files
 * anywhere, a provider its state folder. A provider's systemd unit narrows both.
 */
export const PERMISSIONS: readonly string[] = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  `--allow-env=${[...OWN_VARIABLES, ...LIBRARY_VARIABLES].join(",")}`,
  `--allow-run=${PROGRAMS.join(",")}`,
  "--allow-sys=uid,gid",
];

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
