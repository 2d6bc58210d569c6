/** The start of an instance, from nothing to a server that listens. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../ipfs/clock.ts";
import { SERVER_START_TIMEOUT_MS, SERVER_STOP_TIMEOUT_MS } from "../../limits_of_servers.ts";
import { ServerConnection } from "./connection.ts";
import { endedAtStart, listensNot, opensNot } from "./faults.ts";

export interface StartOptions {
  open(): Promise<Instance>;
  limits: RunLimits;
  listensOn: string;
  clock: Clock;
  /** Nobody needs it any more. */
  abandoned: Promise<void>;
}

export type StartOutcome =
  | {
    readonly kind: "ready";
    readonly instance: Instance;
    /** On which it has shown that it listens. */
    readonly connection: ServerConnection;
  }
  /** Nothing is left of it. */
  | { readonly kind: "failed"; readonly why: KhachapuriError; readonly record: RunRecord | null }
  | { readonly kind: "abandoned" };

/** Starts an instance and waits until it listens. Never throws. */
export async function startInstance(options: StartOptions): Promise<StartOutcome> {
  const late = Promise.withResolvers<void>();
  const cancel = options.clock.after(SERVER_START_TIMEOUT_MS, () => late.resolve());
  try {
    const opened = await openInTime(options, late.promise);
    return "kind" in opened ? opened : await listenInTime(options, opened, late.promise);
  } finally {
    cancel();
  }
}

/** What opens when nobody waits for it any more is closed. */
async function openInTime(
  { open, clock, abandoned }: StartOptions,
  late: Promise<void>,
): Promise<Instance | StartOutcome> {
  const opening = open().catch((thrown) => failed(asKhachapuriError(thrown), null));
  let cancel = () => {};
  // It may be about to open, and is gone in order then.
  const left = abandoned.then(() =>
    new Promise<StartOutcome>((resolve) => {
      cancel = clock.after(SERVER_STOP_TIMEOUT_MS, () => resolve({ kind: "abandoned" }));
    })
  );
  const tooLate = late.then(() => failed(opensNot(), null));
  const first = await Promise.race([opening, tooLate, left]);
  cancel();
  if ("kind" in first) opening.then((opened) => "kind" in opened ? undefined : opened.close());
  return first;
}

async function listenInTime(
  options: StartOptions,
  instance: Instance,
  late: Promise<void>,
): Promise<StartOutcome> {
  const connecting = ServerConnection.open(instance.socketPath);
  const outcome = await firstOutcome(options, instance, connecting, late);
  if (outcome.kind === "ready") return outcome;
  connecting.then((connection) => connection.close(), () => {});
  await instance.close();
  if (outcome.kind === "abandoned" || outcome.record !== null) return outcome;
  return { ...outcome, record: await instance.record.catch(() => null) };
}

async function firstOutcome(
  { limits, listensOn, abandoned }: StartOptions,
  instance: Instance,
  connecting: Promise<ServerConnection>,
  late: Promise<void>,
): Promise<StartOutcome> {
  const ended = instance.record.then(
    (record) => failed(endedAtStart(record, limits, listensOn), record),
    (thrown) => failed(asKhachapuriError(thrown), null),
  );
  const ready = connecting.then(async (connection): Promise<StartOutcome> => {
    await instance.listening();
    return { kind: "ready", instance, connection };
  });
  // Whose socket takes no connection is dead or dies: its record says why.
  const reached = ready.catch(() => new Promise<StartOutcome>(() => {}));
  const left = abandoned.then((): StartOutcome => ({ kind: "abandoned" }));
  const tooLate = late.then(() => failed(listensNot(listensOn), null));
  return await Promise.race([reached, ended, tooLate, left]);
}

function failed(why: KhachapuriError, record: RunRecord | null): StartOutcome {
  return { kind: "failed", why, record };
}
