/** What commands of this machine may ask of a provider that runs: its verbs (control/). */
import { VERSION } from "../../version.ts";
import type { CertificateKeeper } from "../acme/keeper.ts";
import type { Control } from "../control/control_server.ts";
import type { RouteParts } from "./parts.ts";
import type { ReadyState } from "./readiness.ts";

/** Which process it is. */
export interface RunningProcess {
  pid: number;
  /** Where it listens. */
  url: string;
  /** Since when, ms since the epoch. */
  since: number;
}

/** The answer to `status`. */
export interface Status extends RunningProcess {
  version: string;
  state: ReadyState;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms: readonly string[];
}

/** Has the verbs handled. */
export function takeCommands(
  control: Pick<Control, "on">,
  { readiness, alarms }: Pick<RouteParts, "readiness" | "alarms">,
  process: RunningProcess,
): void {
  control.on("status", () => {
    const status: Status = {
      ...process,
      version: VERSION,
      state: readiness.state,
      alarms: alarms(),
    };
    return Promise.resolve(status);
  });
}

/** `settle` settles what is due; it answers what still is, USDC base units. */
export function takeSettleCommand(
  control: Pick<Control, "on">,
  { settlement, ledger }: Pick<RouteParts["money"], "settlement" | "ledger">,
): void {
  control.on("settle", async () => {
    await settlement.settleNow();
    return String(ledger.totals().unsettled);
  });
}

/** `certificate` tells how it goes; `renew-certificate` has one now, and tells then. */
export function takeCertificateCommands(
  control: Pick<Control, "on">,
  keeper: Pick<CertificateKeeper, "report" | "renewNow">,
): void {
  control.on("certificate", () => Promise.resolve(keeper.report()));
  control.on("renew-certificate", async () => {
    await keeper.renewNow();
    return keeper.report();
  });
}
