/** How many sandboxes, and specs of what runs in them, are kept open and ready. */
import { RUN_UIDS_MAX } from "./limits.ts";

/** What the machine has of memory, descriptors and processes goes to them up to this share. */
export const SANDBOXES_SHARE = 1 / 2;
/** An idle one takes so much: 0.5 MB of processes and of ours, some 0.7 MB of the kernel. */
export const SANDBOX_BYTES = 1.5 * 1024 * 1024;
/** Of ours: the pipes of its helper, and what its end is told by. */
export const SANDBOX_DESCRIPTORS = 4;
/** Supervisor, launcher, init and a run's keeper; a relay more where programs have a way out. */
export const SANDBOX_PROCESSES = 5;
/** Whatever the machine has: each has a uid, and the process before us may have as many. */
export const SANDBOXES_OPEN_MAX = RUN_UIDS_MAX / 2;
/** However little it has; where memory is short none is opened (MEMORY_FREE_BYTES_LEAST). */
export const SANDBOXES_OPEN_LEAST = 16;
/** Started before they are needed: one for programs with a way out, one for those without. */
export const SPARES_MAX = 2;
/** One that took no program shows that the way is barred here: none is started for so long, ms. */
export const SPARE_DISTRUST_MS = 60_000;
/** The next one is started once none was wanted for so long, ms. */
export const SPARE_DELAY_MS = 100;
/** Set up at a time: as many as keep the processors busy, while the event loop waits for each. */
export const SETUPS_MAX = 2 * navigator.hardwareConcurrency;
/** Longest wait of one more, ms: each gets ready or is given up in SANDBOX_START_MS_MAX. */
export const SETUP_WAIT_MS = 20_000;

/** Specs that lie open in memory, as what is called lately, bytes together; */
export const OPEN_SPECS_BYTES_MAX = 16 * 1024 * 1024;
/** each counts as so many at least: what makes it up takes more than its text. */
export const OPEN_SPEC_BYTES_LEAST = 32 * 1024;
/** Those that were opened and are sealed since, bytes: some 10,000. */
export const SEALED_SPECS_BYTES_MAX = 32 * 1024 * 1024;
