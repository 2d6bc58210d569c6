/** An owner's log at work: what it says of programs that call out, and how it is followed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { commandUnderTest } from "../worlds/command_line.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

type OwnersHome = Awaited<ReturnType<typeof openOwnersHome>>;

async function deploy(owner: OwnersHome, main: string, ...flags: string[]): Promise<string> {
  const dir = await Deno.makeTempDir({ dir: owner.dir });
  await Deno.writeTextFile(join(dir, "main"), main, { mode: 0o755 });
  const asked = ["deploy", dir, "--provider", NAME, "--accept-terms", ...flags];
  const { code, out, err } = await owner.run(asked);
  assert.equal(code, 0, err);
  return out.split("\n")[0]!;
}

async function callAt(market: Market, cid: string, path = ""): Promise<number> {
  const answer = await fetch(`${market.provider.url}/${cid}${path}`);
  await answer.bytes();
  return answer.status;
}

/** `logs -f` in a process of its own, as a person has it in a terminal. */
function follow(owner: OwnersHome, ...args: string[]) {
  const [program, ...flags] = commandUnderTest();
  const process = new Deno.Command(program!, {
    args: [...flags, "logs", "--home", owner.dir, "-f", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = linesOf(process.stdout);
  return {
    process,
    stdout: stdout.next,
    stderr: linesOf(process.stderr).next,
    /** Reads no more. */
    leave: stdout.leave,
    async interrupt() {
      process.kill("SIGINT");
      return await process.status;
    },
  };
}

/** The next line, however long it takes. */
function linesOf(stream: ReadableStream<Uint8Array>) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  const next = async () => {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end >= 0) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return line;
      }
      const { value, done } = await reader.read();
      if (done) throw new Error(`ended after ${JSON.stringify(rest)}`);
      rest += value;
    }
  };
  return { next, leave: () => reader.cancel() };
}

Deno.test("a log is followed through the provider's restart, each run once, until Ctrl-C", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const cid = await deploy(owner, '#!/bin/sh\necho "said $PATH_INFO" >&2\necho hi\n');
  await callAt(market, cid, "/one?key=secret");
  const json = follow(owner, cid, "--json");
  const person = follow(owner, cid);
  const row = async () => JSON.parse(await json.stdout());
  const first = await row();
  assert.deepEqual([first.cid, first.provider, first.path, first.status], [cid, NAME, "/one", 200]);
  assert.equal(first.stderr, "said /one\n");
  assert.equal(await person.stdout(), `${NAME}:`);
  assert.match(await person.stdout(), /^\S+Z GET \/one 200, exit 0, \d+ ms, .*0 B in, 3 B out$/);
  assert.equal(await person.stdout(), "  said /one");

  await callAt(market, cid, "/two");
  assert.equal((await row()).path, "/two");
  assert.match(await person.stdout(), / GET \/two 200/);
  assert.equal(await person.stdout(), "  said /two");

  const began = performance.now();
  await market.restart({ listen: new URL(market.provider.url).host });
  assert.ok(performance.now() - began < 10_000, "nobody who follows keeps the provider up");
  await callAt(market, cid, "/three");
  assert.equal((await row()).path, "/three");
  assert.match(await person.stdout(), / GET \/three 200/);

  for (const each of [json, person]) {
    assert.deepEqual({ ...await each.interrupt() }, {
      success: false,
      code: 130,
      signal: "SIGINT",
    });
  }
});

const SERVER = `#!/usr/bin/python3
import os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        print("asked for", self.path, flush=True)
        if self.path == "/crash":
            print("half a line", end="", file=sys.stderr, flush=True)
            os._exit(3)
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"hi\\n")
    def log_message(self, *words):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print("it is up: \u{1f604}", flush=True)
server.serve_forever()
`;

Deno.test("a server's output and its instances' lives are followed among its runs, and counted", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const cid = await deploy(owner, SERVER, "--interface", "http");
  const json = follow(owner, cid, "--json");
  assert.equal(await callAt(market, cid, "/one"), 200);
  const rows: Record<string, unknown>[] = [];
  const until = async (isLast: (row: Record<string, unknown>) => boolean) => {
    do rows.push(JSON.parse(await json.stdout())); while (!isLast(rows.at(-1)!));
  };
  await until(({ path }) => path === "/one");
  const listed = await owner.run(["deployments", "--json"]);
  const { instances, restarts } = listed.json.deployments[0].server;
  assert.deepEqual([instances.length, instances[0].requests, restarts], [1, 1, 0]);
  assert.match((await owner.run(["deployments", cid])).out, /\n {2}1 instance \(.*: .*1 request\n/);

  assert.equal(await callAt(market, cid, "/crash"), 502);
  await until(({ path }) => path === "/crash");
  if (!rows.some(({ event }) => event === "ended")) await until(({ event }) => event === "ended");
  const output = rows.flatMap((row) => row.output === undefined ? [] : [row.output]);
  assert.deepEqual(output, [
    "it is up: \u{1f604}",
    "asked for /one",
    "asked for /crash",
    "half a line",
  ]);
  const lives = rows.filter(({ event }) => event !== undefined);
  assert.deepEqual(lives.map(({ event, why, instance }) => [event, why, instance]), [
    ["started", null, 1],
    ["ended", "crashed", 1],
  ]);
  assert.ok(rows.every(({ provider, at }) => provider === NAME && String(at).endsWith("Z")));
  assert.equal((await json.interrupt()).code, 130);

  const { out } = await owner.run(["logs", cid]);
  assert.match(out, /\n\S+Z instance 1 started in \d+ ms\n/);
  assert.match(out, /\n\S+Z \[1\] asked for \/one\n/);
  assert.match(out, /\n\S+Z instance 1 ended: it ended by itself, exit 3\n/);
  const metrics = await (await fetch(`${market.provider.url}/metrics`)).text();
  assert.match(metrics, /^khachapuri_instance_starts_total\{outcome="ready"\} 1$/m);
  assert.match(metrics, /^khachapuri_instance_ends_total\{why="crashed"\} 1$/m);
  assert.match(metrics, /^khachapuri_instances\{state="awake"\} 0$/m);
});

Deno.test("a log that is followed ends quietly when nobody reads it any more", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const cid = await deploy(owner, "#!/bin/sh\necho hi\n");
  for (const flags of [[], ["--json"]]) {
    await callAt(market, cid);
    const followed = follow(owner, cid, ...flags);
    await followed.stdout();
    await followed.leave();
    // What is printed next meets a closed pipe.
    await callAt(market, cid);
    const { code } = await followed.process.status;
    assert.equal(code, 0);
    await assert.rejects(followed.stderr(), /ended after ""/);
  }
});

Deno.test("the log has what a program called, and says by name what it did not reach", async () => {
  const upstream = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("pong"),
  );
  const address = `127.0.0.1:${upstream.addr.port}`;
  await using market = await startMarket({
    settings: {
      egress: {
        log: true,
        hosts: ["*:8000", "*:443"],
        connectTo: { "api.test:8000": address, "dead.test:443": "127.0.0.1:1" },
      },
    },
  });
  await using owner = await openOwnersHome(market);
  const main = `#!/bin/sh
case $PATH_INFO in
/listed) curl -sS http://api.test:8000/ ;;
/without) curl -s https://other.test/; echo fine ;;
/unlisted) curl -sS https://other.test/ ;;
/port) curl -sS http://api.test:8001/ ;;
/dead) curl -sS https://dead.test/ ;;
/none) curl -sS https://none.invalid/ ;;
esac
`;
  const listed = ["api.test:8000", "dead.test:443", "none.invalid:443"];
  const cid = await deploy(owner, main, ...listed.flatMap((host) => ["--egress", host]));
  const paths = ["/listed", "/without", "/unlisted", "/port", "/dead", "/none"];
  const statuses = [];
  for (const path of paths) statuses.push(await callAt(market, cid, path));
  assert.deepEqual(statuses, [200, 200, 502, 502, 502, 502]);

  const { rows } = await owner.run(["logs", cid, "--json"]);
  const by = Object.fromEntries(rows.map((row) => [row.path, row]));
  const { connections, sentBytes, receivedBytes, unreached } = by["/listed"].egress;
  assert.deepEqual([connections, unreached, by["/listed"].reason], [1, [], null]);
  assert.ok(sentBytes > 50 && receivedBytes > 50, JSON.stringify(by["/listed"].egress));
  const other = /it asked for other\.test, which its spec does not list: .*--egress other\.test/;
  assert.equal(by["/without"].exit, 0);
  assert.match(by["/without"].reason, other);
  assert.match(by["/unlisted"].reason, other);
  assert.match(by["/port"].reason, /it asked for api\.test:8001, which its spec does not list/);
  assert.match(by["/dead"].reason, /dead\.test:443 refused the connection/);
  assert.match(by["/none"].reason, /none\.invalid:443 has no address/);

  const { out } = await owner.run(["logs", cid]);
  assert.match(out, /\n {2}called: 1 connection, \d+ B sent, \d+ B received\n/);
  assert.match(out, /\n {2}why: it asked for other\.test, which its spec does not list/);

  const metrics = await (await fetch(`${market.provider.url}/metrics`)).text();
  assert.match(metrics, /^khachapuri_egress_connections_total 1$/m);
  assert.match(
    metrics,
    new RegExp(`^khachapuri_egress_bytes_total{direction="sent"} ${sentBytes}$`, "m"),
  );
  assert.match(metrics, /^khachapuri_egress_unreached_total\{reason="notListed"\} [2-9]/m);
  assert.match(metrics, /^khachapuri_egress_unreached_total\{reason="unreachable"\} 1$/m);
  const lines = market.lines.map((line) => JSON.parse(line));
  const [called, ...others] = lines.filter(({ message }) => message === "hosts were called");
  assert.deepEqual([called.cid, called.hosts, called.sentBytes], [cid, listed, sentBytes]);
  assert.deepEqual(others, []);
  await upstream.shutdown();
});

Deno.test("--since leaves earlier runs out, and says so where there are none", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const cid = await deploy(owner, "#!/bin/sh\necho hi\n");
  await callAt(market, cid, "/a");
  const since = async (text: string) => {
    const { rows } = await owner.run(["logs", cid, "--json", "--since", text]);
    return rows.map(({ path }) => path);
  };
  assert.deepEqual(await since("10m"), ["/a"]);
  const future = await owner.run(["logs", cid, "--since", "2999-01-01"]);
  assert.equal(future.code, 2);
  assert.match(future.err, /--since 2999-01-01 is in the future/);
  const later = await owner.run(["logs", cid, "--since", "0s"]);
  assert.deepEqual([later.code, later.out], [0, `${NAME}: no runs since then\n`]);
  const bad = await owner.run(["logs", cid, "--since", "yesterday"]);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /--since yesterday: neither a duration nor a time/);
});

Deno.test("why a server does not start is told once, with what it printed", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const cid = await deploy(owner, "#!/bin/sh\necho no table >&2\nexit 4\n", "--interface", "http");
  const answer = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(answer.status, 502);
  await answer.body?.cancel();
  const { out } = await owner.run(["logs", cid]);
  assert.equal(out.match(/it exited with 4 before it listened/g)?.length, 1, out);
  assert.match(out, /did not start: it exited with 4[^]*\ncannot run: .* as told above\n/);
});
