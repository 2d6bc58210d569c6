/** The workplace of a deployment, as its spec and the provider's own limits have it. */
import type { Address } from "viem";
import type { EgressEvent } from "../../../sandbox/egress.ts";
import type { SandboxHost, SandboxPolicy } from "../../../sandbox/sandbox.ts";
import type { Spares } from "../../../sandbox/spares.ts";
import type { ProviderConfig } from "../../config.ts";
import { serverOf } from "../../spec/server.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { ServerEvent } from "../server/life.ts";
import type { StartGate } from "../server/start_gate.ts";
import { AT_A_PROVIDER } from "./detector.ts";
import type { NoteEgress } from "./egress_notes.ts";
import { egressPolicy } from "./egress_policy.ts";
import { deploymentLimits, type RunAllowance } from "./run_limits.ts";
import {
  type BeginSetup,
  openRunWorkplace,
  openServerWorkplace,
  type ServerGround,
  type Workplace,
} from "./workplace.ts";

/** What workplaces of all deployments have in common. */
export interface WorkplaceGround {
  host: SandboxHost;
  /** Whether an owner has a deployment here that was paid for. */
  isPaying(owner: Address): boolean;
  /** The provider's own: a spec can ask for less, never for more. */
  limits: Required<RunAllowance>;
  /** Of what a deployment's programs may call. */
  egress: ProviderConfig["egress"];
  noteEgress: NoteEgress;
  servers: Omit<ServerGround, "starts"> & { starts: StartGate };
  spares?: Pick<Spares, "take">;
}

/** Of one that is a server. */
export interface DeployedEars {
  onEvent(event: ServerEvent): void;
  /** Nothing goes on in it any more. */
  onIdle(workplace: Workplace): void;
}

/** @throws KhachapuriError `sandbox_unavailable`, or why a sandbox may not be set up */
export async function openDeployed(
  { host, isPaying, limits, egress, noteEgress, servers, spares }: WorkplaceGround,
  deployment: Deployment,
  programDir: string,
  { onEvent, onIdle }: DeployedEars,
  begin?: BeginSetup,
): Promise<Workplace> {
  const { spec } = deployment;
  const policy: SandboxPolicy = {
    programDir,
    limits: deploymentLimits(spec, limits),
    egress: egressPolicy(spec.egress, egress),
  };
  const onEgress = (event: EgressEvent) => noteEgress(deployment, event);
  if (spec.interface !== "http") {
    return await openRunWorkplace(host, policy, onEgress, spares, begin);
  }
  const { entrypoint, args } = spec.program;
  const program = {
    entrypoint,
    args,
    env: spec.env,
    wish: serverOf(spec),
    mayCall: spec.egress,
    place: AT_A_PROVIDER,
  };
  const starts = servers.starts.of(spec.owner, () => isPaying(spec.owner));
  const server = openServerWorkplace(host, policy, program, { ...servers, starts }, {
    onEgress,
    onEvent,
    onIdle: () => onIdle(server),
  });
  return server;
}
