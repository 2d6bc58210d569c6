/**
 * What a run prints, chunk by chunk. Not a web stream: making and reading one takes a part of each
 * run (`deno task bench sandbox`, row "khachapuri, whole request"). And `isComplete` is a method,
 * not a getter: V8 keeps a hidden class for each object literal with a getter, and with that class
 * everything that the getter's closure refers to, so that every run would leave memory behind.
 */
import { STDOUT_WINDOW_BYTES } from "./protocol.ts";

export interface Output {
  /** Whether all of it has come in, so that reading waits for nothing. */
  isComplete(): boolean;
  /** The next bytes as the program wrote them; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Gives up what is left; a run that is still going is ended. */
  cancel(): Promise<void>;
}

/** The sandbox's side of an output: its frames come in here. */
export interface LiveOutput extends Output {
  /** Copies what it is given, unless it is the output's from now on. */
  receive(bytes: Uint8Array, isGiven?: boolean): void;
  /** No more will come. With an error, what was not read yet is dropped and reading fails. */
  end(error: Error | null): void;
}

interface Waiter {
  resolve(chunk: Uint8Array | null): void;
  reject(error: Error): void;
}

/**
 * @param credit lets the sandbox send so many bytes more; called once a quarter of the window has
 * been read, so that few frames carry credit
 * @param cancel ends the run
 */
export function createOutput(credit: (bytes: number) => void, cancel: () => void): LiveOutput {
  const chunks: Uint8Array[] = [];
  const waiters: Waiter[] = [];
  let ended: { error: Error | null } | null = null;
  let owed = 0;

  function taken(bytes: number): void {
    owed += bytes;
    if (ended || owed < STDOUT_WINDOW_BYTES / 4) return;
    credit(owed);
    owed = 0;
  }

  function end(error: Error | null): void {
    if (ended) return;
    ended = { error };
    if (error) chunks.length = 0;
    for (const waiter of waiters.splice(0)) {
      if (error) waiter.reject(error);
      else waiter.resolve(null);
    }
  }

  return {
    end,
    isComplete: () => ended !== null,
    receive(bytes, isGiven = false) {
      if (ended) return;
      const chunk = isGiven ? bytes : bytes.slice();
      const waiter = waiters.shift();
      if (!waiter) return void chunks.push(chunk);
      waiter.resolve(chunk);
      taken(chunk.length);
    },
    read() {
      const chunk = chunks.shift();
      if (chunk) {
        taken(chunk.length);
        return Promise.resolve(chunk);
      }
      if (ended) return ended.error ? Promise.reject(ended.error) : Promise.resolve(null);
      return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
    },
    cancel() {
      chunks.length = 0;
      if (!ended) cancel();
      end(null);
      return Promise.resolve();
    },
  };
}

/** The output as a web stream. Whoever reads the stream must not read the output itself. */
export function streamOf(
  { read, cancel }: Pick<Output, "read" | "cancel">,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await read();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel,
  }, { highWaterMark: 0 });
}

/** A web stream as an output. */
export function outputOf(stream: ReadableStream<Uint8Array>): Output {
  const reader = stream.getReader();
  return {
    isComplete: () => false,
    read: async () => (await reader.read()).value ?? null,
    cancel: () => reader.cancel(),
  };
}
