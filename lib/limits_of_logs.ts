/** Bounds of what is logged: strangers may have as many lines written as they bring about. */

/** Lines of one message in ten seconds; the rest is counted. */
export const LOG_LINES_MAX = 50;
/** Messages that are told apart; they are our own words, of which there are fewer. */
export const LOG_MESSAGES_MAX = 1_000;
/** Of one text in a line, which may quote what a stranger sent. */
export const LOG_TEXT_CHARACTERS_MAX = 4_000;

// What a node sends of its run log to its fleet's database.

/** Of a run's line: 64 KiB of text as JSON, or less where it is full of control characters. */
export const SHARED_LINE_BYTES_MAX = 128 * 1024;
/** Of a statement's lines, but for the last of them: it is parsed in some milliseconds. */
export const SHARED_LINES_AT_ONCE_BYTES_MAX = 1024 * 1024;
/** At once; then what programs wrote is left out as far as it is more than what follows. */
export const SHARED_LINES_BURST_BYTES_MAX = 16 * 1024 * 1024;
/** In a second: what comes beyond it would only push out older lines of all deployments. */
export const SHARED_LINES_BYTES_PER_SECOND_MAX = 2 * 1024 * 1024;
