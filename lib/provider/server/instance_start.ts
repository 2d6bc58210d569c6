/** The start of an instance, from nothing to a server that listens. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Clock } from "../../ipfs/clock.ts";
import { SERVER_START_TIMEOUT_MS } from "../../limits_of_servers.ts";
import { ServerConnection } from "./connection.ts";

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
  let instance: Instance;
  try {
    instance = await options.open();
  } catch (thrown) {
    return { kind: "failed", ours: asKhachapuriError(thrown), record: null };
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
  { clock, abandoned }: StartOptions,
  instance: Instance,
  connecting: Promise<ServerConnection>,
): Promise<StartOutcome> {
  const failed = (ours: KhachapuriError | null, record: RunRecord | null): StartOutcome => {
    return { kind: "failed", ours, record };
  };
  const ended = instance.record.then(
    (record) => failed(null, record),
    (thrown) => failed(asKhachapuriError(thrown), null),
  );
  const ready = connecting.then(async (connection): Promise<StartOutcome> => {
    await instance.listening();
    return { kind: "ready", instance, connection };
  });
  let cancel = () => {};
  const late = new Promise<StartOutcome>((resolve) => {
    cancel = clock.after(SERVER_START_TIMEOUT_MS, () => resolve(failed(null, null)));
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
