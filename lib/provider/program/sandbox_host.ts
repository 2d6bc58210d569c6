/** How this machine starts sandboxes. */
import type { SandboxHost } from "../../../sandbox/policy.ts";
import { prepareHost } from "../../../sandbox/native.ts";
import type { ProviderConfig } from "../../config.ts";

/** First uid of programs unless the configuration says another: a range without accounts. */
const RUN_UID_FIRST = 1_800_000_000;

/**
 * How this machine starts sandboxes, by the configuration and by what we may do: programs get uids
 * of their own wherever they can have them.
 * @throws KhachapuriError `sandbox_unavailable` when the native helper cannot be started
 */
export async function sandboxHost(
  config: Pick<ProviderConfig["sandbox"], "launcher" | "launcherPath" | "runUid">,
): Promise<SandboxHost> {
  const { launcher, launcherPath, runUid = null } = config;
  const path = launcherPath === undefined ? {} : { launcherPath };
  const host: SandboxHost = { launcher, ...path, runUid };
  if (runUid !== null) return host;
  const { choosesUid } = await prepareHost(host);
  return choosesUid || Deno.uid() === 0 ? { ...host, runUid: RUN_UID_FIRST } : host;
}
