/** Bounds of programs that are servers: what strangers and programs can make us hold. */

/** How long an instance may take until it listens, ms; nobody pays for it meanwhile. */
export const SERVER_START_TIMEOUT_MS = 10_000;

/** Below it a program would need a right that it has not. */
export const SERVER_PORT_MIN = 1024;

/** Instances that a deployment may ask for: each takes memory of its own. */
export const SERVER_INSTANCES_MAX = 64;

/** Requests at one instance that a deployment may ask for. */
export const SERVER_CONCURRENCY_MAX = 1024;

/** Instances of all deployments at a time, unless the provider says otherwise. */
export const PROVIDER_INSTANCES_DEFAULT = 64;

/** An instance ends that had no request for so long, unless the provider says otherwise. */
export const INSTANCE_IDLE_SECONDS_DEFAULT = 60;
