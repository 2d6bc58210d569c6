/** What a machine must have left for a provider to take calls. */

/**
 * Of the disk with the state, what calls leave free: the books of all that run, and of what is
 * settled meanwhile, need less. Of a small disk it is a twentieth.
 */
export const DISK_FREE_BYTES_LEAST = 64 * 1024 * 1024;
/** Of a disk so small that the bound above would leave nothing to serve from. */
export const DISK_FREE_SHARE_LEAST = 0.05;
/** Of its inodes: an unpacked program has thousands, the books have none to come. */
export const DISK_FREE_FILES_LEAST = 2_000;
/** Memory that is left before no further sandbox is opened: an idle one takes some 5 MB. */
export const MEMORY_FREE_BYTES_LEAST = 96 * 1024 * 1024;
/** A disk or memory is seldom free again in less, and who asks sooner asks in vain, seconds. */
export const MACHINE_RETRY_SECONDS = 5;
/** Given up when the disk is full, so that what runs can still be written down. */
export const BALLAST_BYTES = 4 * 1024 * 1024;
