/** The provider that runs on this machine, as it says itself how it is. */
import { VERSION } from "../../version.ts";
import { timeTextOfMs } from "../../time_text.ts";
import { askControl } from "../control/control_client.ts";
import type { Status } from "./commands.ts";
import type { Look } from "./findings.ts";

/** @param book folder of its books */
export async function checkRunning(book: string): Promise<Look> {
  const answer = await askControl(book, "status").catch((error) => {
    if (error instanceof Deno.errors.PermissionDenied) return "closed" as const;
    throw error;
  });
  if (answer === null) {
    const hints = ["khachapuri serve, or: systemctl start khachapuri"];
    return { detail: "no provider runs on these books", hints };
  }
  if (answer === "closed") {
    const hints = ["ask as the provider's user, or as root"];
    return { detail: "this user may not ask the provider that runs", hints };
  }
  return runningLook(answer.done as Status);
}

/** What follows from what it says. */
export function runningLook(status: Status): Look {
  const { pid, url, since, version, state, alarms } = status;
  const other = version === VERSION
    ? []
    : [`it is of release ${version}, this command of ${VERSION}: have it start anew`];
  const notReady = state === "ready" ? [] : [`it is ${state}, and takes no calls`];
  return {
    detail: `process ${pid} of release ${version} serves at ${url} since ${timeTextOfMs(since)}`,
    hints: [...alarms, ...notReady, ...other],
    data: { pid, url, since: timeTextOfMs(since), version, state, alarms },
  };
}
