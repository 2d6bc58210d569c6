/** Bounds of programs that are servers: what strangers and programs can make us hold. */

/** How long an instance may take until it listens, ms; nobody pays for it meanwhile. */
export const SERVER_START_TIMEOUT_MS = 10_000;

/** Below it a program would need a right that it has not. */
export const SERVER_PORT_MIN = 1024;

/** Instances that a deployment may ask for: each takes memory of its own. */
export const SERVER_INSTANCES_MAX = 64;

/** Requests at one instance that a deployment may ask for. */
export const SERVER_CONCURRENCY_MAX = 1024;

/** Of a line that an instance writes; what is longer is told as several. */
export const SERVER_LINE_CHARACTERS_MAX = 4 * 1024;

/** Of a deployment's server, as its log keeps it: some ten thousand lines, or the latest minute. */
export const SERVER_LOG_BYTES_MAX = 1024 * 1024;

/** Of all of them together, beside their runs, which no server's output pushes out. */
export const SERVER_LOGS_BYTES_MAX = 256 * 1024 * 1024;

/** Deployments whose log is counted until it is cut; one beyond it is counted anew. */
export const SERVER_LOGS_REMEMBERED_MAX = 10_000;
