/**
 * Every command by name. A command's module is loaded only when it is used, so that `help` starts
 * without the chain library.
 */
import type { Command } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  /** The heading it stands under in `help`. */
  readonly group: "provider" | "developer" | "payer and caller";
  /** One line, no full stop. */
  readonly summary: string;
  load(): Promise<Command>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "init",
    group: "provider",
    summary: "make keys and a configuration, for yourself or for a provider",
    load: async () => (await import("./init.ts")).init,
  },
  {
    name: "doctor",
    group: "provider",
    summary: "look at this machine and say what is missing",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "serve",
    group: "provider",
    summary: "run the provider of this machine",
    load: async () => (await import("./serve.ts")).serve,
  },
];
