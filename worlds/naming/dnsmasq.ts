/** A real name server: Debian's dnsmasq, with the records that a test wants. */
import { isOnPath } from "../../tools/requirements.ts";
import type { NameServer } from "../../lib/name_server.ts";
import { freePort } from "../free_port.ts";

/** Options of dnsmasq without their dashes, e.g. "txt-record=_dnslink.a.test,dnslink=/ipfs/…". */
export type Records = readonly string[];

export interface Dnsmasq extends AsyncDisposable {
  readonly server: NameServer;
  /** Starts it with other records, on the same port. */
  serve(records: Records): Promise<void>;
  /** Nobody answers any more. */
  stop(): Promise<void>;
}

/** Where it is; null: tests with it are not run, and it says so. */
export async function dnsmasqPath(): Promise<string | null> {
  for (const path of ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq"]) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  if (await isOnPath("dnsmasq")) return "dnsmasq";
  // deno-lint-ignore no-console -- what is not tested has to be seen
  console.log("    dnsmasq is not on this machine: tests with a real name server are NOT RUN");
  return null;
}

export async function startDnsmasq(path: string, records: Records): Promise<Dnsmasq> {
  const port = freePort();
  let child: Deno.ChildProcess | null = null;
  const stop = async () => {
    const ending = child;
    child = null;
    ending?.kill("SIGTERM");
    await ending?.status;
  };
  const serve = async (records: Records) => {
    await stop();
    child = await start(path, port, records);
  };
  await serve(records);
  return { server: { address: "127.0.0.1", port }, serve, stop, [Symbol.asyncDispose]: stop };
}

async function start(path: string, port: number, records: Records): Promise<Deno.ChildProcess> {
  const own = [
    "keep-in-foreground",
    "conf-file=/dev/null",
    "no-hosts",
    "no-resolv",
    "bind-interfaces",
    "listen-address=127.0.0.1",
    `port=${port}`,
    "pid-file=",
    "log-facility=-",
    "user=",
    "group=",
  ];
  const child = new Deno.Command(path, {
    args: [...own, ...records].map((option) => `--${option}`),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = child.stderr.pipeThrough(new TextDecoderStream()).values({ preventCancel: true });
  let text = "";
  for await (const part of said) {
    text += part;
    if (/started, version/.test(text)) {
      void child.stderr.cancel().catch(() => {});
      return child;
    }
  }
  throw new Error(`dnsmasq does not start: ${text}`);
}
