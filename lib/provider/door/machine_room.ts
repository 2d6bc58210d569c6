/** Watches what the machine has left for as long as a provider is open. */
import type { Store } from "../ledger/store.ts";
import { MachineWatch, roomAt } from "../metrics/machine_watch.ts";
import type { Site } from "./site.ts";

/** To be closed with `stack`. */
export async function watchMachine(
  { state, log }: Pick<Site, "state" | "log">,
  { ballast, failure }: Pick<Store, "ballast" | "failure">,
  stack: AsyncDisposableStack,
): Promise<MachineWatch> {
  const watch = new MachineWatch({
    lookAtDisk: () => roomAt(state.book),
    availableBytes: () => Deno.systemMemoryInfo().available,
    ballast,
    failure,
    log,
  });
  stack.defer(() => watch.close());
  await watch.begin();
  return watch;
}
