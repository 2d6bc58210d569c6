/** Notes what programs call: in the figures always, in the log by deployment where it is wanted. */
import type { EgressEvent } from "../../../sandbox/egress.ts";
import type { Log } from "../../log.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { EgressUsage } from "../metrics/egress_usage.ts";

export type NoteEgress = (
  deployment: Pick<Deployment, "cid" | "spec">,
  event: EgressEvent,
) => void;

/** @param log null: the operator has not switched it on */
export function egressNotes(usage: Pick<EgressUsage, "note">, log: Log | null): NoteEgress {
  return ({ cid, spec }, event) => {
    usage.note(event);
    if (log) write(log, { cid, owner: spec.owner, hosts: spec.egress }, event);
  };
}

interface Caller {
  cid: string;
  owner: string;
  /** That it may call. */
  hosts: readonly string[];
}

function write(log: Log, { hosts, ...caller }: Caller, { kind, ...facts }: EgressEvent): void {
  if (kind !== "used") return log.info("a host was not reached", { ...caller, kind, ...facts });
  const isNothing = Object.values(facts).every((count) => count === 0);
  if (!isNothing) log.info("hosts were called", { ...caller, hosts, ...facts });
}
