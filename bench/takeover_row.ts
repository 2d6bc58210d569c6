/** The rows of bench/takeover.ts beside those of a start, where this checkout has it. */
import type { Report } from "./report.ts";

const TAKEOVER = new URL("./takeover.ts", import.meta.url);

export async function measureTakeover(): Promise<Report> {
  const isThere = await Deno.stat(TAKEOVER).then(() => true, () => false);
  if (!isThere) return { rows: [], must: [] };
  return await (await import(TAKEOVER.href)).measureTakeover();
}
