/**
 * What a build knows of itself. From source it knows nothing: `deno task package` and
 * `deno task release` put a module of the same exports in this one's place (tools/bundle.ts).
 */

/** The commit that it was built from, 40 hex digits; with "+changes" where there were some. */
export const COMMIT: string = "source";

/** The public key that signs its successors, minisign's one line; empty: none is trusted. */
export const TRUSTED_KEY: string = "";
