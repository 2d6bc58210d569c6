/** What this program was built from, and whom it trusts to have built the next one. */
import { COMMIT, TRUSTED_KEY } from "./build_facts.ts";

/** The commit that it was built from, 40 hex digits; "source" where it was not built. */
export function builtFrom(): string {
  return COMMIT;
}

/**
 * The key that was baked into this package, minisign's one line ("RW…"): what it signs may take
 * this one's place. null in a package that was built without a key, and from source.
 */
export function trustedKey(): string | null {
  return TRUSTED_KEY === "" ? null : TRUSTED_KEY;
}

/** This machine's architecture as releases are named by it: `x86_64`, `arm64`. */
export function architecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : Deno.build.arch;
}
