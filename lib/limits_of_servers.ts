/** Bounds of programs that are servers: what strangers and programs can make us hold. */

/** How long an instance may take until it listens, ms; nobody pays for it meanwhile. */
export const SERVER_START_TIMEOUT_MS = 10_000;

/** Below it a program would need a right that it has not. */
export const SERVER_PORT_MIN = 1024;

/** Instances that a deployment may ask for: each takes memory of its own. */
export const SERVER_INSTANCES_MAX = 64;

/** Requests at one instance that a deployment may ask for. */
export const SERVER_CONCURRENCY_MAX = 1024;

/** Interim answers (1xx) before an answer: each is read for nothing; servers send one or two. */
export const SERVER_INTERIM_ANSWERS_MAX = 16;

/** A chunk's size and its extensions, which are read for nothing (RFC 9112 section 7.1.1). */
export const SERVER_CHUNK_LINE_BYTES_MAX = 1024;
