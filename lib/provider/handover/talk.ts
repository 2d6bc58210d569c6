/**
 * Two processes that ask each other things over one connection, many at a time. Each request has a
 * number that its answer brings back; a notice has none. When the connection ends, all that was
 * asked fails: nobody knows what became of it.
 */
import { KhachapuriError } from "../../errors.ts";
import { fromPlain, toPlain } from "../../plain.ts";
import { fromPlainError, type PlainError, toPlainError } from "../../plain_error.ts";
import type { LineConnection } from "../control/lines.ts";

/** What one end does for the other. */
export type Service = (...args: never[]) => unknown;

/** Finds what is done under a name; undefined: nobody does that, or not yet. */
export type Services = (name: string) => Service | undefined;

export interface Talk {
  /**
   * Has the other end do something.
   * @throws KhachapuriError what it failed with there; `provider_unavailable` once the connection
   * has ended
   */
  ask(name: string, ...args: unknown[]): Promise<unknown>;
  /** As `ask`; nobody waits for what comes of it. */
  tell(name: string, ...args: unknown[]): void;
  /** Resolves when all that was asked is answered, or the connection has ended. */
  settled(): Promise<void>;
  /** Resolves when the connection has ended, however. */
  readonly ended: Promise<void>;
  close(): void;
}

interface Said {
  id?: number;
  name?: string;
  args?: unknown;
  done?: unknown;
  failed?: PlainError;
}

/** Talks over `lines`, of which nobody else reads from now on. */
export function talkOver(lines: LineConnection, services: Services): Talk {
  const asked = new Map<number, PromiseWithResolvers<unknown>>();
  let count = 0;
  let isOver = false;
  const send = (said: Said) => lines.send(said).catch(() => lines.close());

  async function serve({ id, name = "", args }: Said): Promise<void> {
    try {
      const service = services(name);
      if (!service) throw new KhachapuriError("not_implemented", `nobody does ${name} here`);
      const done = await service(...fromPlain(args) as never[]);
      if (id !== undefined) send({ id, done: toPlain(done) });
    } catch (thrown) {
      if (id !== undefined) send({ id, failed: toPlainError(thrown) });
    }
  }

  function hear(said: Said): void {
    if (said.name !== undefined) return void serve(said);
    const waiting = asked.get(said.id!);
    asked.delete(said.id!);
    if (said.failed) waiting?.reject(fromPlainError(said.failed));
    else waiting?.resolve(fromPlain(said.done));
  }

  async function listen(): Promise<void> {
    try {
      for (let said; (said = await lines.next()) !== null;) hear(said as Said);
    } catch {
      // What is no line of ours ends it as well.
    }
    isOver = true;
    lines.close();
    for (const { reject } of asked.values()) reject(gone());
    asked.clear();
  }

  return {
    ask(name, ...args) {
      if (isOver) return Promise.reject(gone());
      const waiting = Promise.withResolvers<unknown>();
      const id = count++;
      asked.set(id, waiting);
      send({ id, name, args: toPlain(args) });
      return waiting.promise;
    },
    tell(name, ...args) {
      if (!isOver) send({ name, args: toPlain(args) });
    },
    async settled() {
      while (asked.size > 0) {
        await Promise.allSettled([...asked.values()].map(({ promise }) => promise));
      }
    },
    ended: listen(),
    close: () => lines.close(),
  };
}

function gone(): KhachapuriError {
  return new KhachapuriError("provider_unavailable", "the other process of the provider has gone");
}
