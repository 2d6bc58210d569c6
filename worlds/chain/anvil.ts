/** A local chain of its own for each test: Foundry's anvil from npm, on a port the system picks. */
import { fileURLToPath } from "node:url";
import { mnemonicToAccount } from "viem/accounts";

const ANVIL = fileURLToPath(
  new URL("../../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil", import.meta.url),
);
const MNEMONIC = "test test test test test test test test test test test junk";

export interface Anvil extends AsyncDisposable {
  readonly url: string;
  /** Ends the chain and waits until its process is gone. */
  stop(): Promise<void>;
}

export interface AnvilOptions {
  chainId?: number;
  /** Mine every so many seconds instead of at once. */
  blockTimeSeconds?: number;
  /**
   * Ctrl-C reaches a terminal's whole process group: one who hears it and settles before the end
   * wants the chain in another, and ends it.
   */
  isOwnGroup?: boolean;
}

/** The nth account that every anvil starts with, holding 10,000 ETH. */
export function anvilAccount(index: number) {
  return mnemonicToAccount(MNEMONIC, { addressIndex: index });
}

/** Starts a chain and waits until it listens. */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31337, blockTimeSeconds, isOwnGroup = false } = options;
  const place = ["--host", "127.0.0.1", "--port", "0", "--chain-id", String(chainId)];
  const pace = blockTimeSeconds === undefined ? [] : ["--block-time", String(blockTimeSeconds)];
  const process = new Deno.Command(ANVIL, {
    args: [...place, ...pace],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    detached: isOwnGroup,
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream());
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const drained = readUntilClosed(lines, resolve).then(() => {
    reject(new Error("anvil ended before it listened"));
  });
  const stop = async () => {
    try {
      process.kill("SIGKILL");
    } catch {
      // It is gone already.
    }
    await Promise.all([process.status, drained]);
  };
  try {
    return { url: await listening, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Anvil logs every request: what nobody reads would fill the pipe and stop it. */
async function readUntilClosed(
  text: ReadableStream<string>,
  onUrl: (url: string) => void,
): Promise<void> {
  let head: string | null = "";
  for await (const chunk of text) {
    if (head === null) continue;
    head += chunk;
    const match = /Listening on (127\.0\.0\.1:\d+)\s/.exec(head);
    if (!match) continue;
    onUrl(`http://${match[1]}`);
    head = null;
  }
}
