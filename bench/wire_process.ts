/** Servers of bench/wire_side.ts in processes of their own, and bytes that curl moves. */
import { V8_FLAGS } from "../tools/v8_flags.ts";
import { median } from "./report.ts";

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
      V8_FLAGS,
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

/** Where so many bytes are got, and where they are put. */
export interface Target {
  readonly down: (bytes: number) => string;
  readonly up: string;
  /** By which they are put; POST by default. */
  readonly method?: string;
}

export const WAYS = ["down", "up"] as const;
/** Bytes a second, each round's. */
export type Rates = Record<typeof WAYS[number], number[]>;

export interface Turns extends Pick<Transfers, "count" | "bytes"> {
  /** After the first one, which warms up. */
  readonly rounds: number;
}

/** What each target carries, way by way in turns, so that the machine's noise meets all alike. */
export async function transferInTurns<Name extends string>(
  targets: Readonly<Record<Name, Target>>,
  { rounds, ...all }: Turns,
): Promise<Record<Name, Rates>> {
  const names = Object.keys(targets) as Name[];
  const found = Object.fromEntries(
    names.map((name): [Name, Rates] => [name, { down: [], up: [] }]),
  ) as Record<Name, Rates>;
  const upload = await Deno.makeTempFile();
  try {
    await Deno.writeFile(upload, new Uint8Array(all.bytes));
    for (let round = -1; round < rounds; round++) {
      for (const way of WAYS) {
        for (const name of names) {
          const { down, up, method = "POST" } = targets[name];
          const rate = way === "down"
            ? await measureTransfers(down(all.bytes), all)
            : await measureTransfers(up, { ...all, upload, method });
          if (round >= 0) found[name][way].push(rate);
        }
      }
    }
  } finally {
    await Deno.remove(upload);
  }
  return found;
}

/** Which part of the other's rate it has, round by round: noise meets both of a round. */
export function shareOf(own: readonly number[], other: readonly number[]): number {
  return median(own.map((rate, round) => rate / other[round]!));
}
