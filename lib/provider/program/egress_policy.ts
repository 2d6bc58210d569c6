/** What the programs of one deployment may call, as its owner signed and the provider allows. */
import type { EgressPolicy } from "../../../sandbox/egress.ts";
import type { ProviderConfig } from "../../config.ts";
import { EGRESS_CONNECT_TIMEOUT_MS } from "../../limits.ts";

/**
 * @param hosts what the spec asks for, which the provider has found to be allowed
 * @returns null when that is nothing: such programs have no network
 */
export function egressPolicy(
  hosts: readonly string[],
  limits: Omit<ProviderConfig["egress"], "hosts" | "log">,
): EgressPolicy | null {
  if (hosts.length === 0) return null;
  return {
    hosts,
    overrides: limits.connectTo,
    connections: limits.connections,
    connectionsPerSecond: limits.connectionsPerSecond,
    bytesPerSecond: limits.bytesPerSecond,
    connectMs: EGRESS_CONNECT_TIMEOUT_MS,
    idleMs: limits.idleSeconds * 1_000,
  };
}
