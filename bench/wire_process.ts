/** Servers of bench/wire_side.ts in processes of their own, and bytes that curl moves. */

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

export interface Transfers {
  /** One after the other, on one connection. */
  readonly count: number;
  readonly bytes: number;
  /** A file of that size, which is sent; without it so much is asked for. */
  readonly upload?: string;
  /** By which it is sent; POST by default. */
  readonly method?: string;
}

/** Bytes a second. @throws Error unless each answer is a 2xx */
export async function measureTransfers(
  url: string,
  { count, bytes, upload, method = "POST" }: Transfers,
): Promise<number> {
  const one = [
    "-o",
    "/dev/null",
    ...(upload === undefined ? [] : ["-X", method, "-T", upload]),
    url,
  ];
  const all = Array.from({ length: count }, () => one).flat();
  const startedAt = performance.now();
  // Expect would have each upload wait for a word.
  const args = ["-sSf", "-H", "Expect:", ...all];
  const { success, stderr } = await new Deno.Command("curl", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return count * bytes / (performance.now() - startedAt) * 1000;
}
