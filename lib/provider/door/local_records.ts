/** Opens what is kept of deployments in files of this machine. */
import { resolveFromHome } from "../../config.ts";
import { openRecords, type Records, recordsPath } from "../deployment/records.ts";
import type { Site } from "./site.ts";

/** To be closed with `stack`. */
export function openLocalRecords(
  { config, provider, log, now }: Pick<Site, "config" | "provider" | "log" | "now">,
  stack: AsyncDisposableStack,
): Records {
  const records = openRecords(recordsPath(resolveFromHome(config, provider.stateDir)), {
    now,
    lost: (error) => log.warn("log lines of runs were lost", { message: String(error) }),
  });
  stack.defer(() => records.close());
  return records;
}
