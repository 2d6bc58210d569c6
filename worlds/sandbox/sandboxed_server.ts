/** A server whose instances are programs in sandboxes, on the clock of the wall. */
import { openInstance } from "../../sandbox/instance.ts";
import type { Listen } from "../../sandbox/policy.ts";
import { InstanceBudget } from "../../lib/provider/server/instance_budget.ts";
import { startFault } from "../../lib/provider/program/server_failure.ts";
import { StartGate } from "../../lib/provider/server/start_gate.ts";
import { Server } from "../../lib/provider/server/server.ts";
import type { ServerRequest } from "../../lib/provider/server/exchange.ts";
import type { Seat, ServerEvent } from "../../lib/provider/server/life.ts";
import type { Launcher } from "./launchers.ts";
import { requestOf, textOf } from "./played_server.ts";
import { pause } from "../../lib/pause.ts";

export interface SandboxedOptions {
  /** The text of its program, with an interpreter line. */
  script: string;
  listen?: Listen;
  memoryMb?: number;
  timeoutMs?: number;
  instances?: number;
  concurrency?: number;
  idleMs?: number;
}

export interface SandboxedServer extends AsyncDisposable {
  readonly server: Server;
  /** Which the command lines of its helpers name. */
  readonly dir: string;
  readonly events: ServerEvent[];
  /** A place for a request, once there is one. */
  seat(): Promise<Seat>;
  printed(): string;
  states(): string[];
  ask(request?: Partial<ServerRequest>): Promise<string>;
  /** Resolves once `holds`, which is asked after each event and every few milliseconds. */
  until(holds: () => boolean): Promise<void>;
}

export async function sandboxedServer(
  launcher: Launcher,
  options: SandboxedOptions,
): Promise<SandboxedServer> {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/program`, { mode: 0o755 });
  await Deno.writeTextFile(`${dir}/program/main`, options.script, { mode: 0o755 });
  const limits = {
    timeoutMs: options.timeoutMs ?? 10_000,
    memoryMb: options.memoryMb ?? 256,
    stdoutBytes: 1 << 24,
    stderrBytes: 1 << 16,
  };
  const listen = options.listen ?? { kind: "port", port: 8080 };
  const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
  const events: ServerEvent[] = [];
  const server = new Server({
    async open(instance, onOutput) {
      const socketDir = `${dir}/${instance}`;
      await Deno.mkdir(socketDir, { mode: 0o700 });
      return await openInstance({ ...launcher, runUid }, {
        programDir: `${dir}/program`,
        limits,
        egress: null,
      }, { argv: ["main"], env: {}, listen, socketDir, onOutput });
    },
    limits,
    wish: { instances: options.instances ?? 1, concurrency: options.concurrency ?? 8 },
    budget: new InstanceBudget(8),
    starts: new StartGate(8).of("an owner", () => true),
    idleMs: options.idleMs ?? 60_000,
    explain: (remains) => startFault({ ...remains, listensOn: listen }),
    onEvent: (event) => void events.push(event),
  });
  // Async, so that a place that is there is one to be waited for as well.
  // deno-lint-ignore require-await
  const seat = async () => server.seat();
  return {
    server,
    seat,
    dir,
    events,
    printed() {
      const output = events.filter((event) => event.kind === "output");
      return output.map(({ bytes }) => new TextDecoder().decode(bytes)).join("");
    },
    states: () => server.view().instances.map(({ instance, state }) => `${instance} ${state}`),
    async ask(request) {
      const run = (await seat()).send(requestOf(request));
      return await textOf(await run.response);
    },
    async until(holds) {
      while (!holds()) await pause(5);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}
