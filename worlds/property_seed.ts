/** Preloaded before tests: `KHACHAPURI_SEED` says which cases all of fast-check's properties try. */
import fc from "fast-check";

const seed = Deno.env.get("KHACHAPURI_SEED");
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });
