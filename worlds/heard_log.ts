/** A log that is kept, and whose lines a test can wait for. */
import { createLog, type Log, type LogFields } from "../lib/log.ts";

export interface HeardLog {
  readonly log: Log;
  /** All lines, as they would stand in a file. */
  readonly lines: readonly string[];
  /** Resolves with the next line of this message; to be asked before what brings it. */
  logged(message: string): Promise<LogFields>;
}

export function hearLog(): HeardLog {
  const lines: string[] = [];
  const awaited = new Map<string, PromiseWithResolvers<LogFields>>();
  const log = createLog({
    isTerminal: false,
    level: "debug",
    write(line) {
      lines.push(line);
      const fields = JSON.parse(line);
      awaited.get(fields.message)?.resolve(fields);
      awaited.delete(fields.message);
    },
  });
  return {
    log,
    lines,
    logged(message) {
      const line = awaited.get(message) ?? Promise.withResolvers<LogFields>();
      awaited.set(message, line);
      return line.promise;
    },
  };
}
