/** A server whose instances are the test's, on a clock that the test moves. */
import { startFault } from "../../lib/provider/program/server_failure.ts";
import { Server } from "../../lib/provider/server/server.ts";
import type { ServerRequest, ServerResponse } from "../../lib/provider/server/exchange.ts";
import { InstanceBudget } from "../../lib/provider/server/instance_budget.ts";
import { StartGate, type Turns } from "../../lib/provider/server/start_gate.ts";
import type { Seat, ServerEvent, ServerRun } from "../../lib/provider/server/life.ts";
import type { Instance } from "../../sandbox/instance.ts";
import { type ManualClock, manualClock } from "../clock.ts";
import { turn } from "../turns.ts";
import { ok, type PlayedInstance, type PlayedOptions, playInstance } from "./played_instance.ts";
import { LIMITS } from "./played_run.ts";

export interface PlayedServerOptions {
  handle?: PlayedOptions["handle"];
  /** When its instances come to listen, by their numbers. */
  listens?: (instance: number) => Promise<void>;
  /** Before an instance is there at all. */
  opening?: (instance: number) => Promise<void>;
  instances?: number;
  concurrency?: number;
  budget?: InstanceBudget;
  starts?: Turns;
  idleMs?: number;
  limits?: Partial<typeof LIMITS>;
  clock?: ManualClock;
}

export interface PlayedServer extends AsyncDisposable {
  readonly server: Server;
  readonly clock: ManualClock;
  /** All that were ever started. */
  readonly instances: PlayedInstance[];
  /** "started 1", "ended 1 idle", "failed 2", "idle" when the server is; output left out. */
  readonly story: string[];
  readonly events: ServerEvent[];
  /** "1 awake" and so on. */
  states(): string[];
  /** A place for a request, once there is one. */
  seat(): Promise<Seat>;
  /** Sends a request on a place of its own. */
  send(request?: Partial<ServerRequest>): Promise<ServerRun>;
  /** Sends one and reads its answer. */
  ask(target?: string): Promise<string>;
}

export const IDLE_MS = 60_000;

export async function playServer(options: PlayedServerOptions = {}): Promise<PlayedServer> {
  const dir = await Deno.makeTempDir();
  const clock = options.clock ?? manualClock();
  const instances: PlayedInstance[] = [];
  const story: string[] = [];
  const events: ServerEvent[] = [];
  const open: ConstructorParameters<typeof Server>[0]["open"] = async (number, onOutput) => {
    await options.opening?.(number);
    const listens = options.listens?.(number) ?? Promise.resolve();
    const handle = options.handle ?? (({ write }) => write(ok()));
    const instance = playInstance({ number, dir, onOutput, handle, listens });
    instances.push(instance);
    return instance as Instance;
  };
  const server = new Server({
    open,
    limits: { ...LIMITS, ...options.limits },
    wish: { instances: options.instances ?? 1, concurrency: options.concurrency ?? 4 },
    budget: options.budget ?? new InstanceBudget(8),
    starts: options.starts ?? new StartGate(8).of("an owner", () => true),
    idleMs: options.idleMs ?? IDLE_MS,
    explain: (remains) => startFault({ ...remains, listensOn: { kind: "port", port: 8080 } }),
    onEvent(event) {
      events.push(event);
      if (event.kind === "output") return;
      const why = event.kind === "ended" ? ` ${event.why}` : "";
      story.push(`${event.kind} ${event.instance}${why}`);
    },
    onIdle: () => void story.push("idle"),
    clock,
  });
  // Async, so that a place that is there is one to be waited for as well.
  // deno-lint-ignore require-await
  const seat = async () => server.seat();
  const send = async (request: Partial<ServerRequest> = {}) => {
    return (await seat()).send(requestOf(request));
  };
  return {
    server,
    clock,
    instances,
    story,
    events,
    states: () => server.view().instances.map(({ instance, state }) => `${instance} ${state}`),
    seat,
    send,
    ask: async (target = "/") => await textOf(await (await send({ target })).response),
    async [Symbol.asyncDispose]() {
      await server.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

export function requestOf(request: Partial<ServerRequest> = {}): ServerRequest {
  return {
    method: "GET",
    target: "/",
    fields: [["host", "server.example"]],
    body: null,
    bodyBytes: 0,
    upgrade: null,
    ...request,
  };
}

/** All of an answer's body. */
export async function textOf(response: ServerResponse): Promise<string> {
  let text = "";
  for (let bytes; (bytes = await response.read()) !== null;) {
    text += new TextDecoder().decode(bytes);
  }
  return text;
}

/** Waits until `holds`, for as long as things are under way in this process. */
export async function until(holds: () => boolean, what = "it"): Promise<void> {
  for (let turns = 0; turns < 5_000; turns++) {
    if (holds()) return;
    await turn();
  }
  throw new Error(`${what} did not come`);
}
