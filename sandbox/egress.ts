/**
 * The way out of a sandbox: to which hosts its programs may connect, as its relay is told
 * (init/policy.h), and what the relay tells of it.
 */
import { malformed } from "./protocol.ts";

/** What the programs of one sandbox may reach. All of it counts for all of its runs together. */
export interface EgressPolicy {
  /** `host:port`; a host `*.example.com` is any name that ends with `.example.com`. */
  hosts: readonly string[];
  /** Where to find a host instead of asking for its name: `host:port` to `address:port`. */
  overrides: Readonly<Record<string, string>>;
  /** At once; more wait. */
  connections: number;
  connectionsPerSecond: number;
  /** Each way. */
  bytesPerSecond: number;
  /** For looking up a name, and for each of its addresses. */
  connectMs: number;
  /** How long a connection may be without a byte. */
  idleMs: number;
}

/** Why a connection was not made, in the relay's numbering. */
export const EGRESS_FAILURES = [
  "none",
  "noAddress",
  "notPublic",
  "unreachable",
  "timeout",
] as const;

/** Kinds of what the relay tells of, in its numbering. */
export const EGRESS = { asked: 1, failed: 2, used: 3 } as const;

export type EgressFailure = typeof EGRESS_FAILURES[number];

/** What programs have used since their sandbox started; bytes as they see them. */
export interface EgressUsage {
  connections: number;
  sentBytes: number;
  receivedBytes: number;
}

export type EgressEvent =
  /** A program asked for a name that is not listed. */
  | { kind: "asked"; host: string }
  | { kind: "failed"; host: string; port: number; failure: EgressFailure }
  | { kind: "used" } & EgressUsage;

/** What was used between two events. */
export function usedSince(now: EgressUsage, before: EgressUsage): EgressUsage {
  return {
    connections: now.connections - before.connections,
    sentBytes: now.sentBytes - before.sentBytes,
    receivedBytes: now.receivedBytes - before.receivedBytes,
  };
}

const POLICY_FIXED_BYTES = 32;
const EVENT_FIXED_BYTES = 32;
/** All that a relay ever listens with (init/egress.h): names of a wildcard take turns at them. */
const ALL_LISTENERS = 128;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the helper reads before the first frame. */
export function encodePolicy(policy: EgressPolicy): Uint8Array {
  const overrides = Object.entries(policy.overrides);
  const strings = [...policy.hosts, ...overrides.flat()].map((text) => `${text}\0`).join("");
  const text = encoder.encode(strings);
  const bytes = new Uint8Array(POLICY_FIXED_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, policy.hosts.length, true);
  view.setUint32(4, overrides.length, true);
  view.setUint32(8, policy.connections, true);
  view.setUint32(12, policy.connectionsPerSecond, true);
  view.setUint32(16, policy.connectMs, true);
  view.setUint32(20, policy.idleMs, true);
  view.setBigUint64(24, BigInt(policy.bytesPerSecond), true);
  bytes.set(text, POLICY_FIXED_BYTES);
  return bytes;
}

/** How many sockets the relay wants to listen on. */
export function listenersOf({ hosts }: EgressPolicy): number {
  const isOpenEnded = hosts.some((host) => host.startsWith("*"));
  return isOpenEnded ? ALL_LISTENERS : hosts.length;
}

/** @throws KhachapuriError `sandbox_unavailable` when it is no EGRESS payload */
export function decodeEvent(payload: Uint8Array): EgressEvent {
  if (payload.length < EVENT_FIXED_BYTES) throw malformed();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const host = decoder.decode(payload.subarray(EVENT_FIXED_BYTES));
  const kind = view.getUint32(0, true);
  const failure = EGRESS_FAILURES[view.getUint32(4, true)];
  if (kind === EGRESS.asked) return { kind: "asked", host };
  if (kind === EGRESS.failed && failure) {
    return { kind: "failed", host, port: view.getUint32(8, true), failure };
  }
  if (kind !== EGRESS.used) throw malformed();
  return {
    kind: "used",
    connections: view.getUint32(12, true),
    sentBytes: Number(view.getBigUint64(16, true)),
    receivedBytes: Number(view.getBigUint64(24, true)),
  };
}
