/** What `init` says where it makes keys in a home whose earlier ones others wait for. */
import { parseConfig, resolveFromHome } from "../config.ts";
import type { ConfigJson } from "../config.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { recordsPath } from "../provider/deployment/records.ts";
import { waitingFor } from "../provider/door/lost_keys.ts";
import type { CommandContext } from "./command.ts";

/** Of an account: its deployments, and its money, obey the earlier key alone. */
export async function tellAccountReplaced({ home, keysPath, out }: CommandContext): Promise<void> {
  const own = await readDeployments(home);
  if (own.length === 0) return;
  const owners = [...new Set(own.map(({ owner }) => owner))].join(", ");
  out.note(
    `WARNING: ${keysPath} was gone, and this account is another one: only the earlier key stops ` +
      `and renews the ${counted(own.length)} of ${owners}, and has what that holds and allows in ` +
      "the escrow",
  );
  out.note(`  if there is a backup, put it back as ${keysPath}, in place of this one`);
}

/** Of a provider: what is encrypted to its earlier identity can't be opened. */
export async function tellIdentityReplaced(
  { home, keysPath, out }: CommandContext,
  before: ConfigJson,
): Promise<void> {
  const config = parseConfig(before, home);
  if (!config.provider) return;
  const waiting = await waitingFor(
    keysPath,
    recordsPath(resolveFromHome(config, config.provider.stateDir)),
  );
  out.note(
    `WARNING: ${keysPath} was gone, and these keys are others: what was deployed here before ` +
      `(${counted(waiting)} paid for) is answered 421, and the operator is a new account`,
  );
  out.note(`  if there is a backup, put it back as ${keysPath}, in place of this one`);
  out.note("  without one: register --print, coin for the operator, and every owner deploys again");
}

function counted(count: number): string {
  return `${count} deployment${count === 1 ? "" : "s"}`;
}
