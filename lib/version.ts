import manifest from "../deno.json" with { type: "json" };

/** The release, as deno.json states it. */
export const VERSION: string = manifest.version;
