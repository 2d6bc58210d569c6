/** What a provider runs programs on, and gives one run at most, as its front page says. */
import * as v from "valibot";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import { parseJson, parseShape } from "../shape.ts";
import type { Machine } from "../spec/executable.ts";
import { askProvider } from "./provider_http.ts";

const pageShape = v.object({
  /** Its processor; older providers do not say. */
  machine: v.optional(v.picklist(["x86_64", "aarch64"])),
  limits: v.object({
    timeoutMs: v.pipe(v.number(), v.minValue(1)),
    memoryMb: v.pipe(v.number(), v.minValue(1)),
  }),
});

/** Limits of one run: wall clock in ms, memory in MiB. */
export interface RunLimits {
  timeoutMs: number;
  memoryMb: number;
}

export interface RunOffer {
  /** null when the provider does not say. */
  machine: Machine | null;
  limits: RunLimits;
}

/**
 * Asks a provider for its limits, and for the processor that it has.
 * @throws KhachapuriError `provider_unavailable`
 */
export async function fetchOffer(
  webDomain: string,
  options: { fetch?: typeof fetch } = {},
): Promise<RunOffer> {
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  const headers = { accept: "application/json" };
  const bytes = await askProvider({ webDomain, path: "/", bytesMax, headers, ...options });
  const what = `${webDomain}/`;
  const page = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  const { machine, limits } = parseShape(pageShape, page, what, "provider_unavailable");
  return { machine: machine ?? null, limits };
}

/** What of `wanted` the provider will not give, in words; empty when it gives all. */
export function limitFaults(wanted: RunLimits, given: RunLimits): string[] {
  const faults: string[] = [];
  if (wanted.timeoutMs > given.timeoutMs) {
    faults.push(`ends a run after ${given.timeoutMs / 1000} s, not ${wanted.timeoutMs / 1000} s`);
  }
  if (wanted.memoryMb > given.memoryMb) {
    faults.push(`gives a run ${given.memoryMb} MiB, not ${wanted.memoryMb} MiB`);
  }
  return faults;
}
