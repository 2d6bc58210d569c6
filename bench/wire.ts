/**
 * This project's listener, alone, against `Deno.serve`, in turns: requests a second, and 16 MB down
 * and up. `--json` prints the same for machines.
 */
import { silentLog } from "../lib/log.ts";
import type { Answer, HttpRequest } from "../lib/provider/http/request.ts";
import { listen } from "../lib/provider/wire/listener.ts";
import { atLeast, type Must, printReport, quantile, type Row } from "./report.ts";
import { measureHttp } from "./sandbox_peers.ts";

const ROUNDS = 7;
const MB = 1_000_000;
const CHUNK = new Uint8Array(64_000);
const CHUNKS = 16 * MB / CHUNK.length;
const HELLO = new TextEncoder().encode("hello\n");
/** Both ways, of one connection. */
const MB_PER_SECOND_LEAST = 300;

interface Server extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
}

/** `/` says hello, `/down` gives 16 MB, `/up` takes what it is given. */
async function ours(): Promise<Server> {
  const listener = await listen({
    hostname: "127.0.0.1",
    port: 0,
    tls: null,
    handle: answerOf,
    log: silentLog,
    networkOf: () => null,
    senderOf: () => ({ address: "127.0.0.1", scheme: null }),
  });
  return {
    name: "this project",
    url: listener.url,
    [Symbol.asyncDispose]: () => listener.stop(0),
  };
}

async function answerOf({ path, body }: HttpRequest): Promise<Answer> {
  if (path === "/down") {
    let left = CHUNKS;
    const stream = {
      ended: Promise.resolve(),
      read: () => Promise.resolve(left-- > 0 ? CHUNK : null),
      cancel: () => Promise.resolve(),
    };
    return { status: 200, headers: [], body: stream };
  }
  while (await body?.read());
  return { status: 200, headers: [["content-type", "text/plain"]], body: HELLO };
}

function denos(): Server {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname === "/down") {
      let left = CHUNKS;
      return new Response(
        new ReadableStream({
          // A copy each, as a web stream may take the memory of what it is given.
          pull: (controller) => left-- > 0 ? controller.enqueue(CHUNK.slice()) : controller.close(),
        }, { highWaterMark: 0 }),
      );
    }
    for await (const _ of request.body ?? []);
    return new Response(HELLO, { headers: { "content-type": "text/plain" } });
  });
  return {
    name: "Deno.serve",
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** MB a second, as curl counts them. */
async function speed(name: "download" | "upload", url: string): Promise<number> {
  const up = ["-H", "Expect:", "--data-binary", "@-"];
  const child = new Deno.Command("curl", {
    args: ["-sS", "-o", "/dev/null", "-w", `%{speed_${name}}`, ...name === "upload" ? up : [], url],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  if (name === "upload") await writer.write(new Uint8Array(16 * MB));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`curl failed on ${url}`);
  return Number(new TextDecoder().decode(stdout)) / MB;
}

const FIGURES: Readonly<Record<string, (url: string) => Promise<number>>> = {
  "hello, c=16, requests a second": async (url) => (await measureHttp(url, 16, 1)).perSecond,
  "16 MB down, MB/s": (url) => speed("download", `${url}/down`),
  "16 MB up, MB/s": (url) => speed("upload", `${url}/up`),
};

async function main(): Promise<void> {
  await using own = await ours();
  await using other = denos();
  const servers = [own, other];
  const rows: Row[] = [];
  const must: Must[] = [];
  for (const [name, measure] of Object.entries(FIGURES)) {
    const seen = new Map(servers.map((server): [Server, number[]] => [server, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (const server of servers) {
        const value = await measure(server.url);
        if (round >= 0) seen.get(server)!.push(value);
      }
    }
    const median = (server: Server) => quantile(seen.get(server)!, 0.5);
    rows.push({ figure: name, [own.name]: median(own), [other.name]: median(other) });
    if (name.endsWith("MB/s")) {
      must.push(atLeast(name, median(own), "MB/s", MB_PER_SECOND_LEAST));
    }
  }
  printReport({ rows, must });
}

await main();
