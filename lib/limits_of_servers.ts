/** Bounds of programs that are servers: what strangers and programs can make us hold. */

/** How long an instance may take until it listens, ms; nobody pays for it meanwhile. */
export const SERVER_START_TIMEOUT_MS = 10_000;

/** Below it a program would need a right that it has not. */
export const SERVER_PORT_MIN = 1024;

/** Instances that a deployment may ask for: each takes memory of its own. */
export const SERVER_INSTANCES_MAX = 64;

/** Requests at one instance that a deployment may ask for. */
export const SERVER_CONCURRENCY_MAX = 1024;

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
