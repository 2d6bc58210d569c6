/** Who hears what programs print while they are served to their developer. */
import type { ServerEvent } from "../server/life.ts";

/** Where a run's stderr goes, or what an instance of a server prints. */
export interface Ear {
  hear(bytes: Uint8Array): void;
  /** It has ended. */
  close(): void;
}

/** Gives each instance of a server an ear of its own, so that their lines do not mix. */
export function instanceEars(onRun: () => Ear): (event: ServerEvent) => void {
  const ears = new Map<number, Ear>();
  const earOf = (instance: number) => {
    const known = ears.get(instance) ?? onRun();
    ears.set(instance, known);
    return known;
  };
  return (event) => {
    const { kind, instance } = event;
    if (kind === "output") earOf(instance).hear(event.bytes);
    if (kind !== "failed" && kind !== "ended") return;
    ears.get(instance)?.close();
    ears.delete(instance);
  };
}
