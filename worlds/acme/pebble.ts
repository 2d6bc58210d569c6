/** A real CA of tests: Debian's pebble, of the people of Let's Encrypt. */
import { join } from "node:path";
import type { NameServer } from "../../lib/name_server.ts";
import { isOnPath } from "../../tools/requirements.ts";
import { certificateFiles } from "../certificate.ts";
import { freePort } from "../free_port.ts";
import { makeFolder } from "../home.ts";

export interface Pebble extends AsyncDisposable {
  readonly directory: string;
  /** Under which its own server is trusted, PEM. */
  readonly caFile: string;
  /** Where it looks for proofs. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** What it has said on its log. */
  readonly lines: readonly string[];
  /** The root of the certificates that it gives. */
  root(): Promise<string>;
  stop(): Promise<void>;
  /** Again at the same place; it has forgotten all. */
  start(): Promise<void>;
}

export interface PebbleOptions {
  readonly dns: NameServer;
  readonly env?: Readonly<Record<string, string>>;
  readonly eab?: { readonly kid: string; readonly hmacKey: string };
  /** Where it looks for proofs; by default at ports that are free. */
  readonly proofs?: { readonly http: number; readonly tls: number };
}

/** Whether it is there; else tests with it are not run, and it says so. */
export async function hasPebble(): Promise<boolean> {
  if (await isOnPath("pebble") && await isOnPath("openssl")) return true;
  // deno-lint-ignore no-console -- what is not tested has to be seen
  console.log("    pebble is not on this machine: tests with a real CA are NOT RUN");
  return false;
}

export async function startPebble({ dns, env = {}, eab, proofs }: PebbleOptions): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const own = stack.use(await certificateFiles("pebble.test"));
  const [port, managementPort] = [freePort(), freePort()];
  const { http: httpPort, tls: tlsPort } = proofs ?? { http: freePort(), tls: freePort() };
  const config = join(dir, "config.json");
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${managementPort}`,
        certificate: own.cert,
        privateKey: own.key,
        httpPort,
        tlsPort,
        ocspResponderURL: "",
        externalAccountBindingRequired: eab !== undefined,
        ...(eab ? { externalAccountMACKeys: { [eab.kid]: eab.hmacKey } } : {}),
      },
    }),
  );
  const lines: string[] = [];
  let child: Deno.ChildProcess | null = null;
  const stop = async () => {
    const ending = child;
    child = null;
    ending?.kill("SIGTERM");
    await ending?.status;
  };
  const start = async () => {
    child = new Deno.Command("pebble", {
      args: ["-config", config, "-dnsserver", `${dns.address}:${dns.port}`],
      env: {
        PEBBLE_VA_NOSLEEP: "1",
        PEBBLE_WFE_NONCEREJECT: "0",
        PEBBLE_AUTHZREUSE: "0",
        ...env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await hear(child.stdout, lines, "ACME directory available at");
  };
  await start();
  const owned = stack.move();
  const client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(own.cert)] });
  owned.defer(() => client.close());
  owned.defer(stop);
  return {
    directory: `https://127.0.0.1:${port}/dir`,
    caFile: own.cert,
    httpPort,
    tlsPort,
    lines,
    root: async () => {
      const url = `https://127.0.0.1:${managementPort}/roots/0`;
      return await (await fetch(url, { client })).text();
    },
    stop,
    start,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Resolves once a line has come; reads on. */
async function hear(
  stream: ReadableStream<Uint8Array>,
  lines: string[],
  awaited: string,
): Promise<void> {
  const come = Promise.withResolvers<void>();
  void (async () => {
    let rest = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      const whole = (rest + part).split("\n");
      rest = whole.pop()!;
      lines.push(...whole);
      if (whole.some((line) => line.includes(awaited))) come.resolve();
    }
    come.reject(new Error(`pebble ends: ${lines.slice(-3).join(" | ")}`));
  })();
  await come.promise;
}
