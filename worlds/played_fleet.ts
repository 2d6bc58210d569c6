/** Nodes that a test plays, behind a real proxy. */
import { certificateFiles } from "./certificate.ts";
import { type PlayedNode, startNode } from "./played_nodes.ts";
import { type Proxy, type ProxyName, type ProxySite, startProxy } from "./proxies.ts";

export const DOMAIN = "provider.test";

export interface PlayedFleet extends AsyncDisposable, Pick<Proxy, "port" | "said"> {
  readonly nodes: readonly PlayedNode[];
  /** Runs one curl; a target that begins with / is a path at the domain. */
  curl(...args: string[]): Promise<Said>;
  /** The URL of a path, at the domain or below it. */
  url(path: string, host?: string): string;
  /** The node that a path's calls go to; it says so itself. */
  homeOf(path: string): Promise<PlayedNode>;
  /** A connection of HTTP/1.1, whose client sends nothing that it is not told to. */
  connect(): Promise<Line>;
  /** How often a call has come, at all nodes. */
  times(call: string): number;
}

export interface Line extends Disposable {
  say(text: string): Promise<void>;
  /** All up to a text and with it, or to the end where that does not come. */
  hear(end: string): Promise<string>;
}

export interface Said {
  readonly code: number;
  readonly text: string;
}

/**
 * @param options whether it is one node, by the configuration for that, or three; changes to the
 * configuration, for what would take too long otherwise
 */
export async function startFleet(
  name: ProxyName,
  { nodes: count = 3, changes = [] }: { nodes?: number; changes?: ProxySite["changes"] } = {},
): Promise<PlayedFleet> {
  await using stack = new AsyncDisposableStack();
  const nodes: PlayedNode[] = [];
  for (let at = 1; at <= count; at++) nodes.push(stack.use(await startNode(`n${at}`)));
  const certificate = stack.use(await certificateFiles(DOMAIN));
  const upstreams = nodes.map(({ address }) => address);
  const site = { domain: DOMAIN, upstreams, certificate, changes };
  const { port, said } = stack.use(await startProxy(name, site));
  const reach = ["-sS", "-g", "--cacert", certificate.cert, "--resolve", `*:${port}:127.0.0.1`];
  const trusted = await Deno.readTextFile(certificate.cert);
  const owned = stack.move();
  const url = (path: string, host = DOMAIN) => `https://${host}:${port}${path}`;
  const curl = async (...args: string[]) => {
    const { code, stdout } = await new Deno.Command("curl", {
      args: [...reach, ...args.map((arg) => arg.startsWith("/") ? url(arg) : arg)],
      stdin: "null",
      stderr: "null",
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  };
  return {
    port,
    said,
    nodes,
    url,
    curl,
    async homeOf(path) {
      const { text } = await curl(path);
      return nodes.find((node) => text === `${node.name}\n`)!;
    },
    async connect() {
      const options = { hostname: "127.0.0.1", port, caCerts: [trusted] };
      const connection = await Deno.connectTls(options);
      await connection.handshake();
      return lineOn(connection);
    },
    times: (call) => nodes.flatMap(({ calls }) => calls).filter((each) => each === call).length,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function lineOn(connection: Deno.TlsConn): Line {
  const buffer = new Uint8Array(64 * 1024);
  let rest = "";
  return {
    async say(text) {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    async hear(end) {
      while (!rest.includes(end)) {
        const count = await connection.read(buffer).catch(() => null);
        if (count === null) break;
        rest += new TextDecoder().decode(buffer.subarray(0, count));
      }
      const at = rest.indexOf(end);
      const text = at < 0 ? rest : rest.slice(0, at + end.length);
      rest = rest.slice(text.length);
      return text;
    },
    [Symbol.dispose]: () => connection.close(),
  };
}
