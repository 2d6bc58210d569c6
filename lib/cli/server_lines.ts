/** How a server among an owner's deployments does, as `deployments` tells it. */
import type { ServerState } from "../client/deployment_states.ts";
import type { OwnDeployment } from "../client/deployments_file.ts";

export function isServer({ signed }: OwnDeployment): boolean {
  return signed?.interface === "http";
}

/** @param state null when its provider did not say */
export function serverLines(state: ServerState | null): string[] {
  if (state === null) return ["  its instances are unknown: its provider did not tell"];
  const { instances, restarts } = state;
  const restarted = restarts === 0 ? [] : [countOf(restarts, "restart")];
  if (instances.length === 0) {
    return [`  ${["a server, started by the next request", ...restarted].join(", ")}`];
  }
  const memory = instances.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
  const requests = instances.reduce((sum, instance) => sum + instance.requests, 0);
  const tunnels = instances.reduce((sum, instance) => sum + instance.tunnels, 0);
  const used = [
    ...(memory === 0 ? [] : [`${Math.ceil(memory / (1024 * 1024))} MiB`]),
    countOf(requests, "request"),
    ...(tunnels === 0 ? [] : [countOf(tunnels, "open WebSocket")]),
    ...restarted,
  ];
  return [
    `  ${countOf(instances.length, "instance")} (${statesText(instances)}): ${used.join(", ")}`,
  ];
}

/** e.g. "2 awake, 1 frozen". */
function statesText(instances: ServerState["instances"]): string {
  const states = Map.groupBy(instances, ({ state }) => state);
  return [...states].map(([state, those]) => `${those.length} ${state}`).join(", ");
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
