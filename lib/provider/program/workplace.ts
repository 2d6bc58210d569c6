/** Where a deployment's requests are worked on: in its sandbox, or at its server. */
import type { SandboxHost, SandboxPolicy } from "../../../sandbox/sandbox.ts";
import type { EgressEvent } from "../../../sandbox/egress.ts";
import { type Instance, openInstance } from "../../../sandbox/instance.ts";
import { openSandbox } from "../../../sandbox/sandbox.ts";
import type { Spares } from "../../../sandbox/spares.ts";
import type { KhachapuriError } from "../../errors.ts";
import { SANDBOX_START_MS_MAX } from "../../limits.ts";
import type { ServerWish } from "../../spec/server.ts";
import type { EndTurn } from "../deployment/fair_turns.ts";
import type { InstanceBudget } from "../server/instance_budget.ts";
import type { SeatWait, ServerEvent, ServerView } from "../server/life.ts";
import { Server } from "../server/server.ts";
import type { Turns } from "../server/start_gate.ts";
import type { Place } from "./detector.ts";
import type { ProgramCommand, ProgramPlace } from "./interface/interface.ts";
import { startFault } from "./server_failure.ts";
import type { SocketFolders } from "./socket_folders.ts";

export interface Workplace {
  /** A place for one request, or the wait for one, which may start an instance of a server. */
  take(): ProgramPlace | SeatWait;
  /** Why nothing is started for a while; null where that is not so. */
  refusal(): KhachapuriError | null;
  /** Whether nothing goes on in it when no request does. */
  isQuiet(): boolean;
  /** A server takes no more requests, and ends with those that it has; resolves when it has. */
  drain(): Promise<void>;
  /** Ends it, with all that it is doing. */
  close(): Promise<void>;
  /** Its instances; null: it has none, as each request has a run of its own. */
  view(): ServerView | null;
}

/** What servers of one machine, and of one owner, have in common. */
export interface ServerGround {
  readonly budget: InstanceBudget;
  /** Its owner's turns to start instances. */
  readonly starts: Turns;
  /** An instance that nobody needs for this long ends, ms. */
  readonly idleMs: number;
  readonly sockets: Pick<SocketFolders, "take">;
}

export interface ServerProgram extends ProgramCommand {
  readonly wish: ServerWish;
  /** Hosts that its spec lists. */
  readonly mayCall: readonly string[];
  /** Where it is started, as far as its developer can do something about it. */
  readonly place: Place;
}

export interface ServerEars {
  onEgress(event: EgressEvent): void;
  onEvent(event: ServerEvent): void;
  /** Nothing goes on in it any more. */
  onIdle?(): void;
}

/** Waits until a sandbox may be set up; to be told when it is. */
export type BeginSetup = () => Promise<EndTurn>;

/** @throws KhachapuriError `sandbox_unavailable`, or why it may not be set up */
export async function openRunWorkplace(
  host: SandboxHost,
  policy: SandboxPolicy,
  onEgress: (event: EgressEvent) => void = () => {},
  spares: Pick<Spares, "take"> | null = null,
  begin: BeginSetup = atOnce,
): Promise<Workplace> {
  const end = await begin();
  const sandbox = await openSandbox(host, policy, onEgress, spares).catch((error) => {
    end();
    throw error;
  });
  // One that hangs is ended for its first run; it may have none.
  const late = setTimeout(end, SANDBOX_START_MS_MAX);
  sandbox.ready.catch(() => {}).then(() => clearTimeout(late)).then(end);
  return {
    take: () => sandbox,
    refusal: () => null,
    isQuiet: () => true,
    drain: () => Promise.resolve(),
    close: () => sandbox.close(),
    view: () => null,
  };
}

/** Where nobody else waits for one. */
const atOnce: BeginSetup = () => Promise.resolve(() => {});

/** Nothing is started before the first request. */
export function openServerWorkplace(
  host: SandboxHost,
  policy: SandboxPolicy,
  program: ServerProgram,
  { budget, starts, idleMs, sockets }: ServerGround,
  { onEgress, ...ears }: ServerEars,
): Workplace {
  const { wish, mayCall, place } = program;
  const server = new Server({
    limits: policy.limits,
    wish,
    budget,
    starts,
    idleMs,
    explain: (remains) => startFault({ ...remains, listensOn: wish.listen, mayCall, place }),
    open: (_instance, onOutput) =>
      startInstance({ host, policy, program, sockets, onOutput, onEgress }),
    ...ears,
  });
  return {
    take: () => server.seat(),
    refusal: () => server.refusal(),
    isQuiet: () => server.isQuiet(),
    drain: () => server.drain(),
    close: () => server.close(),
    view: () => server.view(),
  };
}

interface InstanceStart extends Pick<ServerGround, "sockets">, Pick<ServerEars, "onEgress"> {
  host: SandboxHost;
  policy: SandboxPolicy;
  program: ServerProgram;
  onOutput: (bytes: Uint8Array) => void | Promise<void>;
}

/** Its socket's folder goes when all of it is dead. */
async function startInstance(
  { host, policy, program, sockets, onOutput, onEgress }: InstanceStart,
): Promise<Instance> {
  const { entrypoint, args, env, wish: { listen } } = program;
  const folder = await sockets.take();
  const remove = () => void folder.remove().catch(() => {});
  try {
    const request = {
      argv: [entrypoint, ...args],
      env,
      listen,
      socketDir: folder.path,
      onOutput,
    };
    const instance = await openInstance(host, policy, request, onEgress);
    instance.record.then(remove, remove);
    return instance;
  } catch (error) {
    remove();
    throw error;
  }
}
