/** Preloaded by the gate: `KHACHAPURI_SEED` says which cases fast-check tries. */
import fc from "fast-check";

const seed = Deno.env.get("KHACHAPURI_SEED");
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });
