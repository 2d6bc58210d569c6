/** A program on its developer's machine, in the sandbox that a provider would run it in. */
import { join } from "node:path";
import { makeEtc } from "../../../sandbox/etc.ts";
import { openSandbox, type Sandbox, type SandboxHost } from "../../../sandbox/sandbox.ts";
import { EGRESS_LIMITS } from "../../egress.ts";
import type { ServerWish } from "../../spec/server.ts";
import { assertStarts } from "../../spec/start_fault.ts";
import { egressPolicy } from "./egress_policy.ts";
import type { ProgramCommand } from "./interface/interface.ts";
import { runLimits } from "./run_limits.ts";

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
  /** A path in it where nothing is yet. */
  place(): string;
}

export async function openBackstage(host: SandboxHost): Promise<Backstage> {
  const folder = await Deno.makeTempDir({ prefix: "khachapuri-" });
  const remove = () => Deno.remove(folder, { recursive: true });
  try {
    // The sandbox may run as another uid, which has to enter the folder.
    await Deno.chmod(folder, 0o711);
    return {
      host: { ...host, etc: makeEtc(join(folder, "etc")) },
      place: () => join(folder, crypto.randomUUID()),
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A timer counts no more, ms: 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** How long a run may last that nobody takes credits for: as long as all of them. */
export function wholeTimeMs(
  { timeoutMs, credits = 1 }: Pick<StagedProgram, "timeoutMs" | "credits">,
): number {
  return Math.min(timeoutMs * credits, LONGEST_TIMER_MS);
}

/**
 * Opens the sandbox of a program that is unpacked.
 * @throws KhachapuriError `invalid_program` when it cannot be started, `sandbox_unavailable`
 */
export async function openStage(
  host: SandboxHost,
  programDir: string,
  program: StagedProgram,
): Promise<Sandbox> {
  await assertStarts(programDir, program);
  const limits = runLimits({ ...program, timeoutMs: wholeTimeMs(program), credits: 1 });
  const { connectTo } = program;
  const egress = egressPolicy(program.egress, { ...EGRESS_LIMITS, connectTo });
  return await openSandbox(host, { programDir, limits, egress });
}
