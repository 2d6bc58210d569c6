/** What a provider runs programs on, and gives one run at most, as its front page says. */
import * as v from "valibot";
import { isAllowed, patternFault } from "../egress.ts";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import type { Runtimes } from "../runtime.ts";
import { parseJson, parseShape } from "../shape.ts";
import type { Machine } from "../spec/executable.ts";
import type { Spec } from "../spec/schema.ts";
import { serverOf } from "../spec/server.ts";
import { askProvider } from "./provider_http.ts";

/** What a terminal shows as it is. */
const wordShape = v.pipe(v.string(), v.regex(/^[\w.+-]{1,64}$/));

const pageShape = v.object({
  /** Its processor; older providers do not say. */
  machine: v.optional(v.picklist(["x86_64", "aarch64"])),
  limits: v.object({
    timeoutMs: v.pipe(v.number(), v.minValue(1)),
    memoryMb: v.pipe(v.number(), v.minValue(1)),
    /** Older providers give a run one credit, and do not say so. */
    credits: v.optional(v.pipe(v.number(), v.minValue(1)), 1),
  }),
  /** Older providers let programs call nobody, and do not say so. */
  egress: v.optional(
    v.object({
      hosts: v.array(v.pipe(v.string(), v.check((text) => patternFault(text) === null))),
    }),
    { hosts: [] },
  ),
  /** Of programs that are servers; older providers take none, and do not say so. */
  servers: v.optional(
    v.object({ instances: v.pipe(v.number(), v.minValue(0)) }),
    { instances: 0 },
  ),
  /** What it does with content; older providers do nothing, and do not say so. */
  ipfs: v.optional(
    v.nullable(v.object({
      push: v.nullable(v.object({
        /** That it keeps for each USDC which an owner allows it. */
        bytesPerUsdc: v.pipe(v.number(), v.minValue(0)),
        carBytesMax: v.pipe(v.number(), v.minValue(1)),
      })),
      /** Whether everybody may read what it keeps. */
      gateway: v.boolean(),
    })),
    null,
  ),
  /** Interpreters and tools that programs find; older providers do not say. */
  runtimes: v.optional(
    v.array(v.object({
      name: wordShape,
      kind: v.optional(v.picklist(["interpreter", "tool"]), "interpreter"),
      version: v.nullable(wordShape),
      path: v.pipe(v.string(), v.regex(/^\/[\w.+/-]{1,255}$/)),
    })),
  ),
  /** Families of them of which there is none. */
  runtimesLacking: v.optional(v.array(wordShape), []),
  /** Whether programs find what was asked for; older providers do not say. */
  runtimeFound: v.optional(v.boolean()),
});

/** Limits of one run: wall clock of a credit in ms, memory in MiB, credits. */
export interface RunLimits {
  timeoutMs: number;
  memoryMb: number;
  credits: number;
}

/** What a provider does with content; bytes. */
export interface ContentOffer {
  /** null: it takes none from owners. */
  push: { bytesPerUsdc: number; carBytesMax: number } | null;
  /** Whether everybody may read what it keeps. */
  isPublic: boolean;
}

export interface RunOffer {
  /** null when the provider does not say. */
  machine: Machine | null;
  limits: RunLimits;
  /** Patterns of what programs may call. */
  egressHosts: readonly string[];
  /** Of all servers, at a time; 0: it takes none. */
  instances: number;
  /** null when the provider does not say. */
  runtimes: Runtimes | null;
  /** Whether programs find the interpreter that was asked for; null when it does not say. */
  runtimeFound: boolean | null;
  /** null: an older provider, which fetches all from gateways and rehearses nothing. */
  content: ContentOffer | null;
}

/**
 * Asks a provider for its limits, for the processor that it has, and for an interpreter.
 * @throws KhachapuriError `provider_unavailable`
 */
export async function fetchOffer(
  webDomain: string,
  { interpreter = null, ...options }: { interpreter?: string | null; fetch?: typeof fetch } = {},
): Promise<RunOffer> {
  const path = interpreter === null ? "/" : `/?runtime=${encodeURIComponent(interpreter)}`;
  const bytesMax = PROVIDER_JSON_BYTES_MAX;
  const headers = { accept: "application/json" };
  const bytes = await askProvider({ webDomain, path, bytesMax, headers, ...options });
  const what = `${webDomain}/`;
  const page = parseJson(new TextDecoder().decode(bytes), what, "provider_unavailable");
  const said = parseShape(pageShape, page, what, "provider_unavailable");
  const { machine = null, limits, egress, servers: { instances } } = said;
  const { runtimes: found, runtimesLacking: lacking, ipfs } = said;
  return {
    machine,
    limits,
    egressHosts: egress.hosts,
    instances,
    runtimes: found ? { found, lacking } : null,
    runtimeFound: said.runtimeFound ?? null,
    content: ipfs && { push: ipfs.push, isPublic: ipfs.gateway },
  };
}

/**
 * Asked before anything is signed: a provider runs no deployment that asks for more than it allows.
 * @param name the provider's
 * @throws KhachapuriError `invalid_input`
 */
export function assertMayCall(name: string, hosts: readonly string[], allowed: readonly string[]) {
  const refused = hosts.filter((host) => !isAllowed(host, allowed));
  if (refused.length === 0) return;
  const message = `${name} lets no program call ${refused.join(", ")}`;
  const offered = allowed.length === 0 ? "they have no network" : `it allows ${allowed.join(", ")}`;
  throw new KhachapuriError("invalid_input", message, {
    hints: [offered, "deploy without that --egress, or to another provider"],
  });
}

/**
 * Asked before anything is signed: a provider that gives every run one credit may be an older one,
 * which takes a spec with more for malformed, or one that mines each credit, which refuses it.
 * @param name the provider's
 * @throws KhachapuriError `invalid_input`
 */
export function assertMayTake(name: string, wanted: RunLimits, given: RunLimits): void {
  if (wanted.credits === 1 || given.credits > 1) return;
  throw new KhachapuriError("invalid_input", `${name} gives a run one credit only`, {
    hints: ["deploy without --credits, or to another provider"],
  });
}

/**
 * Asked before anything is signed: a provider that takes no servers refuses each call of one.
 * @param name the provider's
 * @param instances what its front page says
 * @throws KhachapuriError `invalid_input`
 */
export function assertTakesServers(name: string, instances: number): void {
  if (instances > 0) return;
  throw new KhachapuriError("invalid_input", `${name} takes no programs that are servers`, {
    hints: ["deploy to another provider, or a program with --interface curl or cgi"],
  });
}

/** Which of a server's instances the provider has no room for, in words. */
export function instanceFaults(
  wanted: Pick<Spec, "interface" | "server">,
  given: number,
): string[] {
  if (wanted.interface !== "http") return [];
  const { instances } = serverOf(wanted);
  return instances <= given ? [] : [`runs ${given} instances of all servers, not ${instances}`];
}

/** What a run gets of what is asked for. */
export function leastOf(wanted: RunLimits, given: RunLimits): RunLimits {
  return {
    timeoutMs: Math.min(wanted.timeoutMs, given.timeoutMs),
    memoryMb: Math.min(wanted.memoryMb, given.memoryMb),
    credits: Math.min(wanted.credits, given.credits),
  };
}

/** What of `wanted` the provider will not give, in words; empty when it gives all. */
export function limitFaults(wanted: RunLimits, given: RunLimits): string[] {
  const faults: string[] = [];
  if (wanted.timeoutMs > given.timeoutMs) {
    const what = wanted.credits === 1 ? "ends a run" : "takes the next credit of a run";
    faults.push(`${what} after ${given.timeoutMs / 1000} s, not ${wanted.timeoutMs / 1000} s`);
  }
  if (wanted.memoryMb > given.memoryMb) {
    faults.push(`gives a run ${given.memoryMb} MiB, not ${wanted.memoryMb} MiB`);
  }
  if (wanted.credits > given.credits) {
    faults.push(`gives a run ${given.credits} credits, not ${wanted.credits}`);
  }
  return faults;
}
