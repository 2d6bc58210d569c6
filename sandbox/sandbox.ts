/**
 * One deployment's sandbox and the runs in it. Every request is one run, in pid, mount and ipc
 * namespaces that are its alone meanwhile, and fresh or made fresh (init/keeping.c). Programs are
 * hostile: they see their own folder (read-only), a private /tmp, the system's read-only libraries
 * and the environment given here; no network but a way out to listed hosts, no other process, no
 * file of the provider.
 */
import { KhachapuriError } from "../lib/errors.ts";
import type { ByteSource } from "../lib/byte_source.ts";
import type { EgressEvent } from "./egress.ts";
import { helperPath, prepareHost, spawnHelper } from "./native.ts";
import { hostArguments } from "./launch.ts";
import { passable } from "./command.ts";
import { encodeSetup, type ProgramString, type Setup } from "./protocol.ts";
import type { SandboxHost, SandboxPolicy } from "./policy.ts";
import type { Run } from "./run.ts";
import { Session } from "./session.ts";
import { sessionSetup } from "./setup.ts";
import type { Spares } from "./spares.ts";
import { assertUnprivileged, takeRunUid } from "./uid.ts";

export interface RunRequest {
  /** argv[0], always text, is the entrypoint relative to the program folder. */
  argv: readonly ProgramString[];
  /** Exactly what the program gets, besides the defaults of DEFAULT_ENV. */
  env: Readonly<Record<string, ProgramString>>;
  /** null: the program reads end of file at once. */
  stdin: ByteSource | null;
  /** Whether it starts in the folder that its entrypoint lies in, instead of the program's. */
  isInItsFolder?: boolean;
  /** Told what the record will hold of stderr, as it comes; the bytes are to be copied. */
  onStderr?: (bytes: Uint8Array) => void;
}

export interface Sandbox {
  /** Of each run. */
  readonly limits: SandboxPolicy["limits"];
  /**
   * Starts one run.
   * @throws KhachapuriError `invalid_input` when argv or env cannot be passed to a program,
   * `sandbox_unavailable` when our side fails
   */
  run(request: RunRequest): Promise<Run>;
  /** Kills every run and waits until they are gone. */
  close(): Promise<void>;
}

/** One that has just been opened. */
export interface OpenedSandbox extends Sandbox {
  /** Settles once it is set up, or cannot be. */
  readonly ready: Promise<void>;
}

export type { ProgramString } from "./protocol.ts";
export type { Run, RunLimit, RunRecord } from "./run.ts";
export type { RunLimits, SandboxHost, SandboxPolicy } from "./policy.ts";

/**
 * Opens the sandbox of one deployment. Its processes start at once, unless a spare stands for them,
 * while the caller goes on to prepare the first run. When they end, the next run starts them again,
 * and fails with the reason when they cannot.
 * @param onEgress hears what becomes of its way out; what was used, since it heard of it last
 * @throws KhachapuriError `sandbox_unavailable` when programs would run as uid 0
 */
export async function openSandbox(
  host: SandboxHost,
  policy: SandboxPolicy,
  onEgress: (event: EgressEvent) => void = () => {},
  spares: Pick<Spares, "take"> | null = null,
): Promise<OpenedSandbox> {
  assertUnprivileged(host, Deno.uid());
  const helper = await helperPath(host);
  const { controllers } = await prepareHost(host);
  const setup = (shown: Pick<Setup, "program"> = {}) =>
    encodeSetup({ ...sessionSetup(policy, controllers), ...shown });
  const egress = policy.egress ?? null;
  let spare = spares?.take(policy) ?? null;
  const uid = spare?.uid ?? takeRunUid(host.runUid);
  let session: Session | null = null;
  let closed = false;
  const begin = (): Session => {
    if (spare === null) {
      const [told, args] = [setup(), hostArguments(host, policy, uid.number)];
      return new Session(spawnHelper(helper, args), told, egress, { onEgress });
    }
    const { child, program, order, tell } = spare;
    const told = setup({ program });
    spare = null;
    const started = new Session(child, told, egress, { onEgress }, order);
    started.ready.then(() => tell(true), () => tell(closed));
    return started;
  };
  const live = (): Session => {
    if (session) return session;
    const started = session = begin();
    started.ended.finally(() => {
      if (session === started) session = null;
    });
    return started;
  };

  let ready: Promise<void>;
  try {
    ({ ready } = live());
  } catch (error) {
    if (spare) await spare.end();
    else uid.giveBack();
    throw error;
  }

  return {
    ready,
    limits: policy.limits,
    // Async, so that what it throws is a rejection.
    // deno-lint-ignore require-await
    async run(request) {
      if (closed) throw new KhachapuriError("sandbox_unavailable", "the sandbox is closed");
      const { argv, env } = passable(request);
      const { stdin, isInItsFolder = false, onStderr } = request;
      const told = onStderr === undefined ? {} : { onStderr };
      return live().start({ argv, env, stdin, isInItsFolder, limits: policy.limits, ...told });
    },
    async close() {
      closed = true;
      await session?.close();
      uid.giveBack();
    },
  };
}
