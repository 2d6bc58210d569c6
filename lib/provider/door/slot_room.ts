/** How many runs this machine has room for at a time. */
import type { ProviderConfig } from "../../config.ts";
import { slotsFor } from "../../limits_of_slots.ts";
import { machineMemory } from "./server_room.ts";

/** What the configuration says, or else what there is room for. */
export function slotRoom(
  { concurrency, memoryMb }: Pick<ProviderConfig["sandbox"], "concurrency" | "memoryMb">,
): number {
  const machine = { processors: navigator.hardwareConcurrency, memoryBytes: machineMemory() };
  return concurrency ?? slotsFor(machine, memoryMb);
}
