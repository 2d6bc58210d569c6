/**
 * Notes what the instances of servers do: in the figures, and in the log of their owner, with what
 * they write. An instance that writes line by line costs as little as one that does not: what it
 * writes in a moment is one entry.
 */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { CidText } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";
import { type Clock, systemClock } from "../../clock.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { RunLog } from "../deployment/run_log.ts";
import type { LoggedLife } from "../deployment/server_entries.ts";
import type { ServerUsage } from "../metrics/server_usage.ts";
import type { InstanceEnd, ServerEvent } from "../server/life.ts";
import { OutputLines } from "./output_lines.ts";
import { PRINTED } from "./server_failure.ts";

export interface ServerNotesOptions {
  runLog: Pick<RunLog, "addServerEntry">;
  usage: Pick<ServerUsage, "started" | "failed" | "ended">;
  clock?: Clock;
}

/** What was written in so long, ms, becomes one entry; a line without an end waits once more. */
const MOMENT_MS = 100;
/** Of so many bytes it becomes one at once. */
const ENTRY_BYTES = 16 * 1024;

/** What is to be told of each event, in the order in which they come. */
export function serverNotes(
  options: ServerNotesOptions,
): (deployment: Pick<Deployment, "cid">, event: ServerEvent) => void {
  const notes = new ServerNotes(options);
  return ({ cid }, event) => notes.note(cid, event);
}

/** What an instance wrote and is in no entry yet. */
interface Written {
  readonly lines: OutputLines;
  /** When the first of it came, Unix ms. */
  at: number;
  /** Whether it has grown since it was looked at last. */
  hasGrown: boolean;
  /** Ends the wait for the next look. */
  cancel(): void;
}

class ServerNotes {
  /** By deployment and instance; none of those that wrote nothing lately. */
  readonly #written = new Map<string, Written>();

  readonly #options: ServerNotesOptions;
  readonly #clock: Clock;

  constructor(options: ServerNotesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  note(cid: CidText, event: ServerEvent): void {
    if (event.kind === "output") return this.#write(cid, event.instance, event.bytes);
    const { instance } = event;
    if (event.kind !== "started") this.#end(cid, instance);
    this.#count(event);
    const at = this.#clock.now();
    this.#options.runLog.addServerEntry(cid, { at, instance, ...lifeOf(event) });
  }

  #count(event: Exclude<ServerEvent, { kind: "output" }>): void {
    const { usage } = this.#options;
    if (event.kind === "started") usage.started();
    else if (event.kind === "failed") usage.failed(event.record?.cpuMs ?? null);
    else usage.ended(event.why, event.record?.cpuMs ?? null);
  }

  #write(cid: CidText, instance: number, bytes: Uint8Array): void {
    const key = `${cid} ${instance}`;
    const written = this.#written.get(key) ?? this.#begin(cid, instance);
    this.#written.set(key, written);
    if (written.lines.bytes === 0) written.at = this.#clock.now();
    written.lines.push(bytes);
    written.hasGrown = true;
    if (written.lines.bytes >= ENTRY_BYTES) {
      this.#add(cid, instance, written, written.lines.takeWhole());
    }
  }

  #begin(cid: CidText, instance: number): Written {
    const cancel = this.#lookSoon(cid, instance);
    return { lines: new OutputLines(), at: 0, hasGrown: false, cancel };
  }

  #lookSoon(cid: CidText, instance: number): () => void {
    return this.#clock.after(MOMENT_MS, () => this.#look(cid, instance));
  }

  #look(cid: CidText, instance: number): void {
    const written = this.#written.get(`${cid} ${instance}`)!;
    const { lines, hasGrown } = written;
    written.hasGrown = false;
    this.#add(cid, instance, written, hasGrown ? lines.takeWhole() : lines.takeAll());
    if (lines.bytes === 0) this.#written.delete(`${cid} ${instance}`);
    else written.cancel = this.#lookSoon(cid, instance);
  }

  #end(cid: CidText, instance: number): void {
    const key = `${cid} ${instance}`;
    const written = this.#written.get(key);
    if (!written) return;
    this.#add(cid, instance, written, written.lines.end());
    written.cancel();
    this.#written.delete(key);
  }

  #add(cid: CidText, instance: number, written: Written, output: string | null): void {
    if (output === null) return;
    this.#options.runLog.addServerEntry(cid, { at: written.at, instance, output });
    written.at = this.#clock.now();
  }
}

function lifeOf(
  event: Exclude<ServerEvent, { kind: "output" }>,
): Omit<LoggedLife, "at" | "instance"> {
  const nothing = { event: event.kind, readyMs: null, why: null, reason: null };
  switch (event.kind) {
    case "started":
      return { ...nothing, readyMs: Math.round(event.readyMs * 10) / 10 };
    case "failed":
      return { ...nothing, reason: told(event.toOwner) };
    case "ended":
      return { ...nothing, why: event.why, reason: reasonOf(event) };
  }
}

/** What it was, and what to do; what it printed stands above. */
function told({ shortMessage, hints }: KhachapuriError): string {
  return [shortMessage, ...hints.filter((hint) => !hint.startsWith(PRINTED))].join("\n");
}

const REASONS: Readonly<Record<Exclude<InstanceEnd, "crashed">, string>> = {
  idle: "nobody needed it any more",
  drained: "its deployment was stopped or replaced, or the provider shut down",
  timeout: "a request had outlived its time",
  escaped: "it worked while it was to stand still",
};

function reasonOf({ why, record }: Extract<ServerEvent, { kind: "ended" }>): string {
  return why === "crashed" ? endingOf(record) : REASONS[why];
}

function endingOf(record: RunRecord | null): string {
  if (record === null) return "its sandbox failed";
  if (record.limit !== null) return `it hit its ${record.limit} limit`;
  return record.signal === null
    ? `it ended by itself, exit ${record.exit}`
    : `it was ended by ${record.signal}`;
}
