/**
 * A server at work: one program in a sandbox of its own, which is given connections for as long as
 * it lives, and stands still when nobody needs it.
 */
import { KhachapuriError } from "../lib/errors.ts";
import type { EgressEvent } from "./egress.ts";
import type { Listen, SandboxHost, SandboxPolicy } from "./policy.ts";
import type { ProgramString } from "./protocol.ts";
import type { RunRecord } from "./run.ts";

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

/**
 * Starts a server; resolves when connections to it can be made, before it lets any in.
 * @param onEgress hears what becomes of its way out; what was used, since it heard of it last
 * @throws KhachapuriError `invalid_input` when argv or env cannot be passed to a program,
 * `sandbox_unavailable` when our side fails
 */
// deno-lint-ignore require-await
export async function openInstance(
  _host: SandboxHost,
  _policy: SandboxPolicy,
  _request: InstanceRequest,
  _onEgress: (event: EgressEvent) => void = () => {},
): Promise<Instance> {
  throw new KhachapuriError("sandbox_unavailable", "not built yet");
}
