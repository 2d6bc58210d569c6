/** One instance of the static server, without a provider around it. */
import { join } from "node:path";
import { makeEtc } from "../sandbox/etc.ts";
import { type Instance, openInstance } from "../sandbox/instance.ts";
import { sandboxHost } from "../lib/provider/program/sandbox_host.ts";

const PORT = 8080;
const MEBIBYTE = 1024 * 1024;

export interface BenchInstance extends AsyncDisposable {
  readonly instance: Instance;
}

/** @param programDir holds the server as `main`; whoever runs it may enter it */
export async function openBenchInstance(programDir: string): Promise<BenchInstance> {
  const own = await Deno.makeTempDir({ prefix: "khachapuri-bench-" });
  await Deno.chmod(own, 0o711);
  const socketDir = join(own, "s");
  await Deno.mkdir(socketDir, { mode: 0o700 });
  const host = await sandboxHost({ launcher: "bwrap" });
  const instance = await openInstance(
    { ...host, etc: makeEtc(join(own, "etc")) },
    {
      programDir,
      limits: { timeoutMs: 15_000, memoryMb: 64, stdoutBytes: MEBIBYTE, stderrBytes: MEBIBYTE },
    },
    {
      argv: ["./main"],
      env: { PORT: String(PORT) },
      listen: { kind: "port", port: PORT },
      socketDir,
      onOutput: () => {},
    },
  );
  return {
    instance,
    async [Symbol.asyncDispose]() {
      await instance.close();
      await Deno.remove(own, { recursive: true });
    },
  };
}
