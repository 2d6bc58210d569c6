/**
 * A server at work: one program in a sandbox of its own, which is given connections for as long as
 * it lives, and stands still when nobody needs it.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { KILL_GRACE_MS } from "../lib/limits.ts";
import { passable } from "./command.ts";
import type { EgressEvent } from "./egress.ts";
import { hostArguments } from "./launch.ts";
import { helperPath, prepareHost, spawnHelper } from "./native.ts";
import type { Listen, SandboxHost, SandboxPolicy } from "./policy.ts";
import {
  decodeUsage,
  encodeBare,
  encodeSetup,
  FRAME,
  type Frame,
  type ProgramString,
} from "./protocol.ts";
import type { LiveRun, RunRecord } from "./run.ts";
import { Session } from "./session.ts";
import { instanceSetup } from "./setup.ts";
import { assertUnprivileged, takeRunUid } from "./uid.ts";

export interface InstanceRequest {
  /** argv[0], always text, is the entrypoint relative to the program folder. */
  argv: readonly ProgramString[];
  /** Exactly what the program gets, besides the defaults of every run. */
  env: Readonly<Record<string, ProgramString>>;
  listen: Listen;
  /** Absolute path of a folder that nobody else may enter; its socket is made there. */
  socketDir: string;
  /**
   * Told what it prints to stdout and stderr, as it comes. The next is taken when this resolves:
   * what waits meanwhile holds the program up.
   */
  onOutput(bytes: Uint8Array): void | Promise<void>;
}

export interface InstanceUsage {
  /** User and system time of all its processes so far. */
  cpuMs: number;
  memoryBytes: number;
  processes: number;
}

export interface Instance {
  /** Where connections to it are made. */
  readonly socketPath: string;
  /**
   * Resolves when everything of it is dead. Rejects only with `sandbox_unavailable`, when our side
   * failed.
   */
  readonly record: Promise<RunRecord>;
  /** Resolves once the connections that were made before were let in; never if it dies before. */
  listening(): Promise<void>;
  /** It computes no more until `thaw`; connections wait. */
  freeze(): void;
  thaw(): void;
  usage(): Promise<InstanceUsage>;
  /** SIGTERM to the program that was started. */
  terminate(): void;
  /** Ends it, with all that it started. */
  kill(): void;
  /** Ends it and resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** The name of its socket, as the helper makes it (init/host.c). */
const SOCKET_NAME = "in";

/**
 * Starts a server; resolves when connections to it can be made, before it lets any in.
 * @param onEgress hears what becomes of its way out; what was used, since it heard of it last
 * @throws KhachapuriError `invalid_input` when argv or env cannot be passed to a program,
 * `sandbox_unavailable` when our side fails
 */
export async function openInstance(
  host: SandboxHost,
  policy: SandboxPolicy,
  request: InstanceRequest,
  onEgress: (event: EgressEvent) => void = () => {},
): Promise<Instance> {
  assertUnprivileged(host, Deno.uid());
  const command = passable({ argv: request.argv, env: serverEnv(request) });
  const helper = await helperPath(host);
  const { controllers } = await prepareHost(host);
  const uid = takeRunUid(host.runUid);
  const answers = createAnswers();
  let session: Session | null = null;
  try {
    const args = hostArguments(host, policy, uid.number, request.socketDir);
    const setup = encodeSetup(instanceSetup(policy, controllers, request.listen));
    const events = { onEgress, onServerFrame: answers.take };
    session = new Session(spawnHelper(helper, args), setup, policy.egress ?? null, events);
    const run = session.start({ ...command, stdin: null, limits: policy.limits, isServer: true });
    await session.ready;
    return createInstance(session, run, answers, request, uid.giveBack);
  } catch (error) {
    await clearAway(session, uid.giveBack);
    throw error;
  }
}

/**
 * Ends what has not started. It resolves when nothing is left, but no later than the kernel takes
 * to kill: nobody waits for what it cannot end. A uid is given to nobody else before.
 */
async function clearAway(session: Session | null, giveBack: () => void): Promise<void> {
  const ended = (session?.close() ?? Promise.resolve()).then(giveBack);
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, 2 * KILL_GRACE_MS);
  await Promise.race([ended, late.promise]);
  clearTimeout(timer);
}

/**
 * How it learns where to listen. It is the second process of its namespace, as systemd's convention
 * wants to have said: its keeper is the first (init/keeper.c).
 */
function serverEnv({ env, listen }: InstanceRequest): InstanceRequest["env"] {
  return listen.kind === "port"
    ? { ...env, PORT: String(listen.port) }
    : { ...env, LISTEN_FDS: "1", LISTEN_PID: "2" };
}

/** What its sandbox answers to questions, in the order in which they were asked. */
interface Answers {
  listening(): Promise<void>;
  usage(): Promise<InstanceUsage>;
  take(frame: Frame): boolean;
  /** No more will come. */
  end(why: KhachapuriError): void;
}

function createAnswers(): Answers {
  const listening: (() => void)[] = [];
  const usage: PromiseWithResolvers<InstanceUsage>[] = [];
  let ended: KhachapuriError | null = null;
  return {
    listening: () => new Promise((resolve) => void listening.push(resolve)),
    usage() {
      const asked = Promise.withResolvers<InstanceUsage>();
      if (ended) asked.reject(ended);
      else usage.push(asked);
      return asked.promise;
    },
    take({ type, payload }) {
      if (type === FRAME.listening) listening.shift()?.();
      else if (type === FRAME.usage) usage.shift()?.resolve(decodeUsage(payload));
      else return false;
      return true;
    },
    end(why) {
      ended = why;
      for (const { reject } of usage.splice(0)) reject(why);
    },
  };
}

function createInstance(
  session: Session,
  run: LiveRun,
  answers: Answers,
  request: InstanceRequest,
  giveBack: () => void,
): Instance {
  const tell = (type: number) => session.send(encodeBare(type, run.index));
  const told = tellOutput(run, request.onOutput);
  const gone = run.record.then(() => {}, () => {}).then(() => session.close());
  void gone.then(giveBack);
  const record = told.then(() => run.record);
  record.catch(() => {}); // A failure that nobody waits for must not end the provider.
  void gone.then(() => answers.end(new KhachapuriError("sandbox_unavailable", "it has ended")));
  const kill = () => {
    run.kill();
    const giveUp = setTimeout(() => void session.close(), KILL_GRACE_MS);
    Deno.unrefTimer(giveUp);
    void gone.then(() => clearTimeout(giveUp));
  };
  return {
    socketPath: `${request.socketDir}/${SOCKET_NAME}`,
    record,
    listening() {
      tell(FRAME.await);
      return answers.listening();
    },
    freeze: () => tell(FRAME.freeze),
    thaw: () => tell(FRAME.thaw),
    usage() {
      tell(FRAME.measure);
      return answers.usage();
    },
    terminate: () => tell(FRAME.terminate),
    kill,
    async close() {
      kill();
      await gone;
      await told;
    },
  };
}

/**
 * Passes on what it prints. It is held up while the listener has not taken what came before; what
 * is left when it ends is told at once, so that its record need not wait.
 */
async function tellOutput(run: LiveRun, onOutput: InstanceRequest["onOutput"]): Promise<void> {
  const over = run.record.then(() => {}, () => {});
  try {
    for (let bytes; (bytes = await run.output.read()) !== null;) {
      await Promise.race([onOutput(bytes), over]);
    }
  } catch {
    // Nobody hears it any more: then nobody wants it.
    await run.output.cancel();
  }
}
