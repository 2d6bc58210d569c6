/** The start of an instance, from nothing to a server that listens. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../clock.ts";
import { SERVER_START_TIMEOUT_MS, SERVER_STOP_TIMEOUT_MS } from "../../limits_of_servers.ts";
import { ServerConnection } from "./connection.ts";
import { opensNot } from "./faults.ts";

export interface StartOptions {
  open(): Promise<Instance>;
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
  /** Nothing is left of it; `ours`: why, where it was our side. */
  | {
    readonly kind: "failed";
    readonly ours: KhachapuriError | null;
    readonly record: RunRecord | null;
  }
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
  let isOver = false;
  let cancel = () => {};
  const opening = open().catch((thrown) => failed(asKhachapuriError(thrown), null));
  // It may be about to open, and goes in order then.
  const left = abandoned.then(() =>
    new Promise<StartOutcome>((resolve) => {
      if (isOver) return;
      cancel = clock.after(SERVER_STOP_TIMEOUT_MS, () => resolve({ kind: "abandoned" }));
    })
  );
  const tooLate = late.then(() => failed(opensNot(), null));
  const first = await Promise.race([opening, tooLate, left]);
  isOver = true;
  cancel();
  if ("kind" in first) {
    void opening.then((opened) => "kind" in opened ? undefined : opened.close());
  }
  return first;
}

async function listenInTime(
  { abandoned }: StartOptions,
  instance: Instance,
  late: Promise<void>,
): Promise<StartOutcome> {
  const connecting = ServerConnection.open(instance.socketPath);
  const ended = instance.record.then(
    (record) => failed(null, record),
    (thrown) => failed(asKhachapuriError(thrown), null),
  );
  const ready = connecting.then(async (connection): Promise<StartOutcome> => {
    await instance.listening();
    return { kind: "ready", instance, connection };
  });
  const tooLate = late.then(() => failed(null, null));
  // Whose socket takes no connection is dead or dies: its record says why.
  const reached = ready.catch(() => new Promise<StartOutcome>(() => {}));
  const left = abandoned.then((): StartOutcome => ({ kind: "abandoned" }));
  const outcome = await Promise.race([reached, ended, tooLate, left]);
  if (outcome.kind === "ready") return outcome;
  connecting.then((connection) => connection.close(), () => {});
  await instance.close();
  if (outcome.kind === "abandoned" || outcome.record !== null) return outcome;
  return { ...outcome, record: await instance.record.catch(() => null) };
}

function failed(ours: KhachapuriError | null, record: RunRecord | null) {
  return { kind: "failed", ours, record } as const;
}
