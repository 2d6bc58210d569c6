/** Large bodies both ways, as curl moves them, and the bare servers that they are compared with. */

/** Of each transfer. */
export const TRANSFER_BYTES = 16_000_000;

/** One server in a process of its own. */
export interface Side extends AsyncDisposable {
  readonly url: string;
  hasEnded(): boolean;
}

/** Starts one of bench/wire_side.ts, with so many descriptors. */
export async function startSide(name: string, descriptors?: number): Promise<Side> {
  const program = new URL("wire_side.ts", import.meta.url).pathname;
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      `${limit}exec "$@"`,
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      program,
      name,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  if (value === undefined) throw new Error(`${name} ended before it listened`);
  let hasEnded = false;
  const ended = child.status.then(() => hasEnded = true);
  return {
    url: `http://127.0.0.1:${value.trim()}/`,
    hasEnded: () => hasEnded,
    async [Symbol.asyncDispose]() {
      if (!hasEnded) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Bytes a second that curl receives, in so many transfers on one connection. */
export function measureDown(url: string, transfers: number, bytes = TRANSFER_BYTES) {
  return measure(repeat(["-o", "/dev/null", url], transfers), transfers * bytes);
}

/** Bytes a second that curl sends of the file, in so many transfers on one connection. */
export function measureUp(
  url: string,
  file: string,
  transfers: number,
  bytes = TRANSFER_BYTES,
  method = "POST",
) {
  const one = ["-o", "/dev/null", "-X", method, "-T", file, url];
  // Expect would have each upload wait for a word.
  return measure(["-H", "Expect:", ...repeat(one, transfers)], transfers * bytes);
}

const repeat = (args: string[], times: number) => Array.from({ length: times }, () => args).flat();

async function measure(args: string[], bytes: number): Promise<number> {
  const startedAt = performance.now();
  const { success, stderr } = await new Deno.Command("curl", { args: ["-sSf", ...args] }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return bytes / (performance.now() - startedAt) * 1000;
}
