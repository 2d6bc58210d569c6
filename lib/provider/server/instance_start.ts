/** The start of an instance, from nothing to a server that listens. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../ipfs/clock.ts";
import { SERVER_START_TIMEOUT_MS } from "../../limits_of_servers.ts";
import { ServerConnection } from "./connection.ts";
import { endedAtStart, listensNot } from "./faults.ts";

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
  let instance: Instance;
  try {
    instance = await options.open();
  } catch (thrown) {
    return { kind: "failed", why: asKhachapuriError(thrown), record: null };
  }
  const connecting = ServerConnection.open(instance.socketPath);
  const outcome = await firstOutcome(options, instance, connecting);
  if (outcome.kind === "ready") return outcome;
  connecting.then((connection) => connection.close(), () => {});
  await instance.close();
  if (outcome.kind === "abandoned" || outcome.record !== null) return outcome;
  return { ...outcome, record: await instance.record.catch(() => null) };
}

async function firstOutcome(
  { limits, listensOn, clock, abandoned }: StartOptions,
  instance: Instance,
  connecting: Promise<ServerConnection>,
): Promise<StartOutcome> {
  const failed = (why: KhachapuriError, record: RunRecord | null): StartOutcome => {
    return { kind: "failed", why, record };
  };
  const ended = instance.record.then(
    (record) => failed(endedAtStart(record, limits, listensOn), record),
    (thrown) => failed(asKhachapuriError(thrown), null),
  );
  const ready = connecting.then(async (connection): Promise<StartOutcome> => {
    await instance.listening();
    return { kind: "ready", instance, connection };
  });
  let cancel = () => {};
  const late = new Promise<StartOutcome>((resolve) => {
    cancel = clock.after(
      SERVER_START_TIMEOUT_MS,
      () => resolve(failed(listensNot(listensOn), null)),
    );
  });
  // Whose socket takes no connection is dead or dies: its record says why.
  const reached = ready.catch(() => new Promise<StartOutcome>(() => {}));
  const left = abandoned.then((): StartOutcome => ({ kind: "abandoned" }));
  try {
    return await Promise.race([reached, ended, late, left]);
  } finally {
    cancel();
  }
}
