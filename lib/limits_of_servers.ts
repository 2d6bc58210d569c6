/** Bounds of programs that are servers: what strangers and programs can make us hold. */

/** How long an instance may take until it listens, ms; nobody pays for it meanwhile. */
export const SERVER_START_TIMEOUT_MS = 10_000;

/** Below it a program would need a right that it has not. */
export const SERVER_PORT_MIN = 1024;

/** Instances that a deployment may ask for: each takes memory of its own. */
export const SERVER_INSTANCES_MAX = 64;

/** Requests at one instance that a deployment may ask for. */
export const SERVER_CONCURRENCY_MAX = 1024;

/** Descriptors of each of an instance's processes: a thousand connections, and files. */
export const INSTANCE_FILES_MAX = 4096;

/** Instances of all deployments at a time, unless the provider says otherwise. */
export const PROVIDER_INSTANCES_DEFAULT = 64;

/** An instance ends that had no request for so long, unless the provider says otherwise. */
export const INSTANCE_IDLE_SECONDS_DEFAULT = 60;

/** Requests that wait for a place, for each place that there may be: as many again come soon. */
export const SERVER_WAITING_PER_SEAT_MAX = 2;

/** Of them those of one server at most: each holds its request, and a credit of somebody. */
export const SERVER_WAITING_MAX = 1_024;

/** How long a request waits that an instance is started for, ms, the wait for its turn included. */
export const SERVER_START_WAIT_TIMEOUT_MS = 15_000;

/** Starts of one owner's instances at a time: the others wait for what theirs compute. */
export const SERVER_STARTS_OF_OWNER_MAX = 2;

/** Starts of all owners at a time: what comes up computes, and waits for its disk as often. */
export function serverStartsMax(processors: number): number {
  return Math.max(4, 2 * processors);
}

/** How long a request waits for a place among others', ms; trying again is then its caller's. */
export const SERVER_SEAT_TIMEOUT_MS = 2_000;

/** Tunnels of one instance: each holds two descriptors of ours, and an own of the program's. */
export const SERVER_TUNNELS_MAX = 1_024;

/** From SIGTERM to SIGKILL, ms: time to write down what was learned; nobody pays for it. */
export const SERVER_STOP_TIMEOUT_MS = 5_000;

/** The same where another deployment waits for the place, ms: less than it waits. */
export const SERVER_EVICTION_TIMEOUT_MS = 1_000;

/** How long tunnels go on when their server is stopped or replaced, ms: they know no end. */
export const SERVER_DRAINING_TUNNEL_TIMEOUT_MS = 10_000;

/** What an instance may print at once, before it is held up: the output of a start, of a crash. */
export const SERVER_OUTPUT_BURST_BYTES_MAX = 1024 * 1024;

/** What an instance may print in a second from then on: more fills its owner's log in vain. */
export const SERVER_OUTPUT_BYTES_PER_SECOND_MAX = 64 * 1024;

/** The end of what an instance printed that is kept for whoever explains its failure. */
export const SERVER_LAST_OUTPUT_BYTES_MAX = 4_096;

/** The longest pause after failed starts, ms: a mended program is up again within it. */
export const SERVER_BACK_OFF_MS_MAX = 60_000;

/** Interim answers (1xx) before an answer: each is read for nothing; servers send one or two. */
export const SERVER_INTERIM_ANSWERS_MAX = 16;

/** A chunk's size and its extensions, which are read for nothing (RFC 9112 section 7.1.1). */
export const SERVER_CHUNK_LINE_BYTES_MAX = 1024;

/**
 * Connections that became tunnels (WebSocket), at a time: each costs a descriptor at either end and
 * some memory, and most of them do nothing for hours. They count no more among connections.
 */
export const TUNNELS_MAX = 4_096;

/** Of them those of one network: a building of people behind one address has its own. */
export const NETWORK_TUNNELS_MAX = 1_024;

/** What a caller has sent into its tunnel and nobody took yet, bytes, before no more is read. */
export const TUNNEL_UNTAKEN_BYTES_MAX = 64 * 1024;

/** A tunnel that we have ended waits so long for its caller's own end, ms. */
export const TUNNEL_CLOSE_TIMEOUT_MS = 2_000;

/** Of a line that an instance writes; what is longer is told as several. */
export const SERVER_LINE_CHARACTERS_MAX = 4 * 1024;

/** Of a deployment's server, as its log keeps it: some ten thousand lines, or the latest minute. */
export const SERVER_LOG_BYTES_MAX = 1024 * 1024;

/** Of all of them together, beside their runs, which no server's output pushes out. */
export const SERVER_LOGS_BYTES_MAX = 256 * 1024 * 1024;

/** Deployments whose log is counted until it is cut; one beyond it is counted anew. */
export const SERVER_LOGS_REMEMBERED_MAX = 10_000;
