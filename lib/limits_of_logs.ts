/** Bounds of what is logged: strangers may have as many lines written as they bring about. */

/** Lines of one message in ten seconds; the rest is counted. */
export const LOG_LINES_MAX = 50;
/** Messages that are told apart; they are our own words, of which there are fewer. */
export const LOG_MESSAGES_MAX = 1_000;
/** Of one text in a line, which may quote what a stranger sent. */
export const LOG_TEXT_CHARACTERS_MAX = 4_000;
