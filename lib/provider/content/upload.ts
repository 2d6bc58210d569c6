/** The body of one push on its way to its file: checked, written, and not waited for for ever. */
import type { ByteSource } from "../../byte_source.ts";
import type { Clock } from "../../clock.ts";
import { KhachapuriError } from "../../errors.ts";
import { writeAll } from "../../file_bytes.ts";
import { PUSH_PACE_BYTES, PUSH_PACE_MS } from "../../limits_of_content.ts";
import type { TakeBytes } from "./car_intake.ts";

/** Written at once: less costs more turns of the event loop. */
const WRITE_BYTES = 256 * 1024;

/**
 * Takes a body to its end. While some of it is written more comes and is checked.
 * @param file stands where the body goes on
 * @throws KhachapuriError `invalid_input`, `ipfs_mismatch` when it is refused; `Broken` when it
 * broke off, and what came of it may be kept; `overloaded` when the disk does not take it
 */
export async function receive(
  body: ByteSource,
  file: Deno.FsFile,
  take: TakeBytes,
  clock: Clock,
): Promise<void> {
  const pace = watchPace(body, clock);
  const writer = new Writer(file);
  try {
    for (let chunk; (chunk = await nextOf(body)) !== null;) {
      pace.came(chunk.length);
      await take(chunk);
      await writer.write(chunk);
    }
    if (pace.isLate()) throw new Broken("the push was too slow");
  } finally {
    pace.stop();
    // What was checked is to be on disk as far as it is counted, whatever ended the body.
    await writer.end();
  }
}

/** A body ended before it was whole; what came of it is good. */
export class Broken extends KhachapuriError {
  constructor(message: string, cause?: unknown) {
    super("invalid_input", message, {
      cause,
      hints: ["what came of it is kept for an hour: HEAD /ipfs tells from where to go on"],
    });
  }
}

async function nextOf(body: ByteSource): Promise<Uint8Array | null> {
  try {
    return await body.read();
  } catch (error) {
    throw new Broken(error instanceof Error ? error.message : String(error), error);
  }
}

/** Ends a body of which too little comes. */
function watchPace(body: ByteSource, clock: Clock) {
  let bytes = 0;
  let isLate = false;
  const check = () => {
    if (bytes < PUSH_PACE_BYTES) {
      isLate = true;
      body.cancel();
    } else {
      bytes = 0;
      stop = clock.after(PUSH_PACE_MS, check);
    }
  };
  let stop = clock.after(PUSH_PACE_MS, check);
  return {
    came: (more: number) => void (bytes += more),
    isLate: () => isLate,
    stop: () => stop(),
  };
}

/** Gathers what comes in small pieces, and writes it while more comes. */
class Writer {
  /** One is filled while the other is written: fresh memory costs more than what goes into it. */
  #filled = new Uint8Array(WRITE_BYTES);
  #written = new Uint8Array(WRITE_BYTES);
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(private readonly file: Deno.FsFile) {}

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + WRITE_BYTES - this.#bytes);
      this.#filled.set(part, this.#bytes);
      this.#bytes += part.length;
      at += part.length;
      if (this.#bytes === WRITE_BYTES) await this.#flush();
    }
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    this.#writing = writeAll(this.file, this.#filled.subarray(0, this.#bytes)).catch((cause) => {
      throw diskRefused(cause);
    });
    // Whoever awaits it next is told.
    this.#writing.catch(() => {});
    [this.#filled, this.#written] = [this.#written, this.#filled];
    this.#bytes = 0;
  }
}

/** The failure of a disk that does not take what is to be kept. */
export function diskRefused(cause: unknown): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider's disk does not take it", {
    cause,
    retryAfterSeconds: 60,
    hints: ["publish it elsewhere: deploy --kubo URL, or --out DIR"],
  });
}
