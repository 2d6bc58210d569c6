/** Whether this machine can sandbox a program, and within which limits: for serve and doctor. */
import { asKhachapuriError } from "../lib/errors.ts";
import { hintsFor } from "./explain.ts";
import { prepareHost } from "./native.ts";
import type { SandboxHost } from "./policy.ts";
import { CONTROLLER } from "./protocol.ts";
import { openSandbox } from "./sandbox.ts";

export type ProbeResult =
  | {
    ok: true;
    launcher: string;
    /** The uid that programs have outside their sandbox. */
    programsRunAs: number;
    /** Descriptors that all processes of one uid may have watched by epoll(7); 0: not known. */
    watches: number;
    /** Limits that the kernel enforces here, e.g. "memory". */
    enforced: readonly LimitKind[];
    /** Limits that it does not; `hints` says how to get them. */
    missing: readonly LimitKind[];
    hints: readonly string[];
    /** Cgroups of providers that are gone, now removed. */
    swept: number;
  }
  | { ok: false; reason: string; hints: readonly string[] };

export type LimitKind = keyof typeof CONTROLLER;

const DELEGATION_HINTS = [
  "start the provider as a systemd service with Delegate=yes (`khachapuri init` writes the unit),",
  "or try: systemd-run --user --scope -p Delegate=yes khachapuri serve",
];

/**
 * Lays out our cgroups, runs one small program in a real sandbox, and explains what is missing.
 */
export async function probeSandbox(host: SandboxHost): Promise<ProbeResult> {
  try {
    const limits = await prepareHost(host);
    const refusal = await tryOnce(host);
    if (refusal !== null) return { ok: false, reason: refusal, hints: hintsFor(refusal) };
    const kinds = Object.keys(CONTROLLER) as LimitKind[];
    const missing = kinds.filter((kind) => (limits.controllers & CONTROLLER[kind]) === 0);
    return {
      ok: true,
      launcher: host.launcher,
      programsRunAs: host.runUid ?? Deno.uid()!,
      watches: limits.watches,
      enforced: kinds.filter((kind) => !missing.includes(kind)),
      missing,
      hints: missing.length === 0 ? [] : [limits.missing, ...DELEGATION_HINTS].filter(Boolean),
      swept: limits.swept,
    };
  } catch (thrown) {
    const error = asKhachapuriError(thrown);
    return { ok: false, reason: error.shortMessage, hints: error.hints };
  }
}

/** null when a program runs as it should, else why not. */
async function tryOnce(host: SandboxHost): Promise<string | null> {
  // The program is the system's own shell, so its folder is the system's.
  const sandbox = await openSandbox(host, {
    programDir: "/usr",
    limits: { timeoutMs: 10_000, memoryMb: 64, stdoutBytes: 4096, stderrBytes: 4096 },
  });
  try {
    const argv = ["bin/sh", "-c", "id -u && grep -c 'Seccomp:\t2' /proc/self/status"];
    const run = await sandbox.run({ argv, env: {}, stdin: null });
    const printed = await new Response(run.stdout()).text();
    const record = await run.record;
    if (record.exit === 0 && printed === "65534\n1\n") return null;
    return new TextDecoder().decode(record.stderr).trim() || "the test program failed";
  } finally {
    await sandbox.close();
  }
}
