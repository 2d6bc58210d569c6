/** Bounds of content that strangers have a provider keep, and of what is read of it. */

/** The JSON of a push, in its header field: a cid, a signature and a few numbers. */
export const PUSH_HEADER_CHARACTERS_MAX = 1_024;
