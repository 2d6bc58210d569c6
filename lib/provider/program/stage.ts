/** A program on its developer's machine, in the sandbox that a provider would run it in. */
import { join } from "node:path";
import { makeEtc } from "../../../sandbox/etc.ts";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { EGRESS_LIMITS } from "../../egress.ts";
import { SERVER_INSTANCES_MAX } from "../../limits_of_servers.ts";
import { serverOf, type ServerWish } from "../../spec/server.ts";
import { assertStarts } from "../../spec/start_fault.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import type { ServerEvent } from "../server/life.ts";
import { StartGate } from "../server/start_gate.ts";
import { egressPolicy } from "./egress_policy.ts";
import type { ProgramCommand } from "./interface/interface.ts";
import { runLimits } from "./run_limits.ts";
import { SocketFolders } from "./socket_folders.ts";
import { openRunWorkplace, openServerWorkplace, type Workplace } from "./workplace.ts";

/** How a program is to be run, as its spec would say it. */
export interface StagedProgram extends ProgramCommand {
  interface: "curl" | "cgi" | "http";
  /** With interface "http": how it is reached. */
  server?: ServerWish;
  timeoutMs: number;
  /** How many times `timeoutMs` a run may take; 1 where nothing is said. */
  credits?: number;
  memoryMb: number;
  /** What it may call, host:port; empty: it has no network. */
  egress: readonly string[];
  /** Where such a host is to be found instead: host:port to address:port. */
  connectTo: Readonly<Record<string, string>>;
}

/** Where programs are unpacked: a temporary folder. */
export interface Backstage extends AsyncDisposable {
  readonly host: SandboxHost;
  readonly sockets: Pick<SocketFolders, "take">;
  /** A path in it where nothing is yet. */
  place(): string;
}

export async function openBackstage(host: SandboxHost): Promise<Backstage> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "khachapuri-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  // The sandbox may run as another uid, which has to enter the folder.
  await Deno.chmod(folder, 0o711);
  const etc = makeEtc(join(folder, "etc"));
  const sockets = await SocketFolders.open(join(folder, "sockets"));
  stack.defer(() => sockets.close());
  const owned = stack.move();
  return {
    host: { ...host, etc },
    sockets,
    place: () => join(folder, crypto.randomUUID()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A timer counts no more, ms: 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How long a run may last that nobody takes credits for: as long as all of them. */
export function wholeTimeMs(
  { timeoutMs, credits = 1 }: Pick<StagedProgram, "timeoutMs" | "credits">,
): number {
  return Math.min(timeoutMs * credits, LONGEST_TIMER_MS);
}

/** No version of a program that its developer has is without a place, while older ones end. */
const BUDGET = 4 * SERVER_INSTANCES_MAX;

/**
 * Opens the sandbox, or the server, of a program that is unpacked. A server stays once it is
 * started, as its developer is the only one who waits for it.
 * @param command by which it was started
 * @param onEvent is told what a server does
 * @throws KhachapuriError `invalid_program` when it cannot be started, `sandbox_unavailable`
 */
export async function openStage(
  { host, sockets }: Pick<Backstage, "host" | "sockets">,
  programDir: string,
  program: StagedProgram,
  command: "run" | "dev",
  onEvent: (event: ServerEvent) => void = () => {},
): Promise<Workplace> {
  await assertStarts(programDir, program);
  const limits = runLimits({ ...program, timeoutMs: wholeTimeMs(program), credits: 1 });
  const { connectTo } = program;
  const egress = egressPolicy(program.egress, { ...EGRESS_LIMITS, connectTo });
  const policy = { programDir, limits, egress };
  if (program.interface !== "http") return await openRunWorkplace(host, policy);
  const { server = serverOf({}) } = program;
  const starts = new StartGate().of("its developer", () => true);
  const budget = new InstanceBudget(BUDGET);
  const ground = { budget, starts, idleMs: LONGEST_TIMER_MS, sockets };
  const ears = { onEgress() {}, onEvent };
  const place = { command, connectTo };
  const told = { ...program, wish: server, mayCall: program.egress, place };
  return openServerWorkplace(host, policy, told, ground, ears);
}
