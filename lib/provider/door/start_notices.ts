/** What an operator is told when its provider starts, as nobody else would tell it. */
import type { Chain } from "../../chain/client.ts";
import type { Log } from "../../log.ts";
import { timeText } from "../../time_text.ts";
import type { LeftBehind } from "./left_behind.ts";
import type { Ground } from "./preflight.ts";

export function warnOfLimits(
  { sandbox: { probe: { missing, hints, swept } } }: {
    sandbox: { probe: Pick<Ground["sandbox"]["probe"], "missing" | "hints" | "swept"> };
  },
  log: Log,
): void {
  if (missing.length > 0) log.warn("limits that the kernel does not enforce", { missing, hints });
  if (swept > 0) log.info("swept what an earlier provider left", { cgroups: swept });
}

/** `doctor` says the same, but who only starts the provider does not ask it. */
export function warnOfSharing(
  { sandbox: { sharing } }: { sandbox: Pick<Ground["sandbox"], "sharing"> },
  log: Log,
): void {
  if (sharing.length > 0) log.warn("programs share the provider's uid", { hints: sharing });
}

/** Until it is back, what the others say is believed as far as they agree, and one alone. */
export function warnOfEndpoints(
  { connected: { chain } }: { connected: { chain: Pick<Chain, "endpoints"> } },
  log: Log,
): void {
  for (const { origin, state, trouble } of chain.endpoints()) {
    if (state === "resting") log.warn("an RPC endpoint does not answer", { origin, trouble });
  }
}

/** An owner who did not ask for it has three days to notice. */
export function warnOfCollector(
  { collector: { current, pending } }: Pick<Ground, "collector">,
  log: Log,
): void {
  if (pending) log.warn("another collector is pending", { collector: current, ...pending });
}

/** Callers of these get no more than a refusal, and their owners hear of it from nobody else. */
export function warnOfLeftBehind(left: LeftBehind, log: Log): void {
  const tell = (message: string, cids: readonly string[], until: bigint | null = null) => {
    if (cids.length === 0) return;
    const end = until === null ? {} : { firstUntil: timeText(until) };
    log.warn(message, { deployments: cids.length, first: cids.slice(0, 5), ...end });
  };
  const { byPrice, kept, byTerms, keptTerms } = left;
  tell("refused until their owners sign the present price: khachapuri permit CID", byPrice);
  tell("served at an earlier price until it is kept no more", kept.cids, kept.until);
  tell("refused, as the terms they signed are listed no more", byTerms);
  tell("served on earlier terms until they are kept no more", keptTerms.cids, keptTerms.until);
}
