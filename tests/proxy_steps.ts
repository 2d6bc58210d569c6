/** What every proxy before a provider has to do, as curl sees it over HTTP/1.1 and HTTP/2. */
import assert from "node:assert/strict";
import { startProvider } from "../lib/provider/door/serve.ts";
import { certificateFiles } from "../worlds/certificate.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { type HeardLog, hearLog } from "../worlds/heard_log.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { DOMAIN, type PlayedFleet, startFleet } from "../worlds/played_fleet.ts";
import { handshake } from "../worlds/played_tunnel.ts";
import { type ProxyName, proxyVersion, startProxy } from "../worlds/proxies.ts";

const MEGABYTES_16 = 16_000_000;
/** Caddy ends a cut answer as if it were whole until this one. */
const CADDY_CUTS_SINCE = "2.7.6";

const PROGRAM = `case "$PATH_INFO" in
/who) echo "$REMOTE_ADDR $REQUEST_SCHEME $HTTPS $SERVER_NAME"; env | grep -E "FORWARDED|REAL_IP" ;;
/slow) echo first; exec sleep 60 ;;
/echo) while read -r line; do echo "$line"; done ;;
/down) head -c ${MEGABYTES_16} /dev/zero ;;
/up) wc -c ;;
/cut) echo part; head -c 17000000 /dev/zero ;;
/accel) printf 'HTTP/1.1 200 OK\\nX-Accel-Redirect: /healthz\\n\\nmine\\n' ;;
*) printf '%s\\n' "$REQUEST_URI" ;;
esac; true`;

interface Site extends Pick<HeardLog, "logged">, AsyncDisposable {
  readonly name: ProxyName;
  readonly cid: string;
  readonly port: number;
  /** What each curl needs to reach it. */
  readonly reach: readonly string[];
  /** The provider itself, as its proxy reaches it. */
  readonly upstream: string;
}

async function openSite(name: ProxyName, nodes: number, credits: bigint): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const home = stack.use(await openProviderHome());
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, credits);
  const { cid } = await home.deploy(PROGRAM);
  const settlement = { mode: "batch", intervalSeconds: 360 };
  const sandbox = { requestBytes: MEGABYTES_16, responseBytes: MEGABYTES_16 };
  const config = home.config({ settlement, sandbox, trustedProxies: ["127.0.0.1"] });
  const { log, logged } = hearLog();
  const provider = await startProvider(config, { log, graceMs: 1_000 });
  stack.defer(() => provider.stop());
  const certificate = stack.use(await certificateFiles(DOMAIN));
  const upstream = new URL(provider.url).host;
  const upstreams = Array<string>(nodes).fill(upstream);
  const { port } = stack.use(await startProxy(name, { domain: DOMAIN, upstreams, certificate }));
  const owned = stack.move();
  return {
    name,
    cid,
    port,
    reach: ["-sS", "-g", "--cacert", certificate.cert, "--resolve", `*:${port}:127.0.0.1`],
    upstream,
    logged,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Said {
  readonly code: number;
  readonly text: string;
}

/** Runs curl against the site by one version of HTTP. */
type Curl = (path: string, ...args: string[]) => Promise<Said>;

async function run(args: readonly string[]): Promise<Said> {
  const { code, stdout } = await new Deno.Command("curl", { args: [...args], stdin: "null" })
    .output();
  return { code, text: new TextDecoder().decode(stdout) };
}

const urlOf = ({ port, cid }: Site, path: string) => `https://${DOMAIN}:${port}/${cid}${path}`;

/** A curl that uploads what the test writes, and shows what comes back as it comes. */
function startCurl({ reach }: Site, args: readonly string[]) {
  const child = new Deno.Command("timeout", {
    args: ["20", "curl", ...reach, "-f", "-N", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    write: (text: string) => writer.write(new TextEncoder().encode(text)),
    async readLine(): Promise<string> {
      let text = "";
      while (!text.endsWith("\n")) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`curl ended after ${JSON.stringify(text)}`);
        text += value;
      }
      return text;
    },
    async kill(): Promise<void> {
      child.kill("SIGTERM");
      await child.status;
      await writer.close().catch(() => {});
      await reader.cancel();
    },
  };
}

async function testAddresses(site: Site, curl: Curl): Promise<void> {
  const { cid, port, reach, upstream } = site;
  const lies = [
    ...["-H", "X-Forwarded-For: 192.0.2.66", "-H", "X-Forwarded-Proto: http"],
    ...["-H", "Forwarded: for=192.0.2.66;proto=http", "-H", "X-Real-IP: 192.0.2.66"],
  ];
  const from = ["--interface", "127.0.0.3", ...lies];
  const { text } = await curl("/who", ...from);
  assert.equal(text, `127.0.0.3 https on ${DOMAIN}\n`);
  const host = `${cid}.${DOMAIN}`;
  const own = await run([...reach, ...from, `https://${host}:${port}/who`]);
  assert.equal(own.text, `127.0.0.3 https on ${host}\n`);
  // A control: the proxy's word is what counts, and nobody else's.
  const direct = ["-sS", ...lies, `http://${upstream}/${cid}/who`];
  assert.equal((await run(direct)).text, `192.0.2.66 http  ${DOMAIN}\n`);
  const stranger = await run([...direct, "--interface", "127.0.0.2"]);
  assert.equal(stranger.text, `127.0.0.2 http  ${DOMAIN}\n`);
}

async function testTargets(site: Site, curl: Curl): Promise<void> {
  for (
    const path of [
      "",
      "/",
      "/%2e%2e/metrics",
      "/a/../b//c%2Fd",
      "/it's?x='%22",
      "/x?",
      "/caf%E9?a;b=1&&",
      "/x?{}|^`<>[]",
    ]
  ) {
    const { text } = await curl(path, "--path-as-is");
    assert.equal(text, `/${site.cid}${path}\n`);
  }
  // Go's URLs have no backslash in a path, and escape it.
  const { text } = await curl("/a\\b", "--path-as-is");
  assert.equal(text, `/${site.cid}/a${site.name === "caddy" ? "%5C" : "\\"}b\n`);
}

async function testStreams(site: Site, version: string): Promise<void> {
  const echo = startCurl(site, [version, "-T", ".", urlOf(site, "/echo")]);
  for (const line of ["one\n", "two\n"]) {
    await echo.write(line);
    assert.equal(await echo.readLine(), line);
  }
  const broken = site.logged("run ended");
  await echo.kill();
  assert.equal((await broken).limit, "aborted");
  const slow = startCurl(site, [version, urlOf(site, "/slow")]);
  assert.equal(await slow.readLine(), "first\n");
  const left = site.logged("run ended");
  await slow.kill();
  assert.equal((await left).limit, "aborted");
}

async function testSizes(site: Site, curl: Curl): Promise<void> {
  const size = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
  assert.equal((await curl("/down", ...size)).text, `200 ${MEGABYTES_16}`);
  const upload = async (bytes: number) => {
    const path = await Deno.makeTempFile();
    await Deno.writeFile(path, new Uint8Array(bytes));
    const said = await curl("/up", "--data-binary", `@${path}`);
    await Deno.remove(path);
    return said.text;
  };
  assert.equal(await upload(MEGABYTES_16), `${MEGABYTES_16}\n`);
  // In our words, not the proxy's.
  if (site.name !== "caddy") assert.match(await upload(17_000_000), /"body_too_large"/);
}

async function testCut(site: Site, curl: Curl, version: string | null): Promise<void> {
  const { code } = await curl("/cut", "-o", "/dev/null");
  const isSeen = site.name !== "caddy" || isSince(version!, CADDY_CUTS_SINCE);
  assert.equal(code !== 0, isSeen, `curl: ${code}`);
}

/** Whether a version is another or a later one. */
function isSince(version: string, first: string): boolean {
  const [own, other] = [version, first].map((text) => text.split(".").map(Number)) as [
    number[],
    number[],
  ];
  const at = own.findIndex((part, index) => part !== other[index]);
  return at < 0 || own[at]! > (other[at] ?? 0);
}

/** Where nobody pays. */
async function testRefusal(site: Site, curl: Curl): Promise<void> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, new Uint8Array(MEGABYTES_16));
  const tell = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload}"];
  const waiting = ["-H", "Expect: 100-continue", "--expect100-timeout", "60"];
  const { text } = await curl("/up", "--data-binary", `@${path}`, ...waiting, ...tell);
  const [status, sent] = text.split(" ").map(Number);
  assert.equal(status, 402);
  // nginx asks for the body by itself, the others only as the provider does.
  if (site.name !== "nginx") assert.equal(sent, 0);
  const eager = await curl("/up", "--data-binary", `@${path}`, "-H", "Expect:", ...tell);
  assert.match(eager.text, /^402 /);
  await Deno.remove(path);
  // What is asked comes back in the head, which no proxy may find too long.
  for (const bytes of [10, 2_000, 4_000, 6_000, 7_900]) {
    const asked = await curl(`/up?${"x".repeat(bytes)}`, ...tell);
    assert.match(asked.text, /^402 /, `a query of ${bytes} bytes`);
  }
}

/** On a connection that is new at both sides, and on one that was used before. */
async function testOnce({ curl, connect, times }: PlayedFleet): Promise<void> {
  const tell = ["-o", "/dev/null", "-w", "%{http_code}"];
  assert.equal((await curl("/a/cut/get", ...tell)).text, "502");
  assert.equal((await curl("/a/cut/post", "-d", "x", ...tell)).text, "502");
  for (const [path, method] of [["/a", "GET"], ["/b", "POST"]] as const) {
    using line = await connect();
    await line.say(`GET ${path} HTTP/1.1\r\nHost: ${DOMAIN}\r\n\r\n`);
    await line.hear("\r\n\r\n");
    assert.match(await line.hear("\n"), /^n[123]\n$/);
    const body = method === "GET" ? "\r\n" : "Content-Length: 1\r\n\r\nx";
    await line.say(`${method} ${path}/cut/again HTTP/1.1\r\nHost: ${DOMAIN}\r\n${body}`);
    assert.match(await line.hear("\r\n\r\n"), /^HTTP\/1\.1 502 /);
  }
  // On a connection that ends without a word curl sends by itself what it was used for before.
  assert.match((await curl("/a", "/a/cut/curl", ...tell)).text, /^200[^]*502$/);
  const cut = ["GET /a/cut/get", "POST /a/cut/post", "GET /a/cut/again", "POST /b/cut/again"];
  for (const call of [...cut, "GET /a/cut/curl"]) assert.equal(times(call), 1, call);
}

async function testTunnel({ connect, times }: PlayedFleet): Promise<void> {
  using line = await connect();
  await line.say(handshake("/a/ws", { Host: DOMAIN }));
  assert.match(await line.hear("\r\n\r\n"), /^HTTP\/1\.1 101 /);
  for (const word of ["one", "two"]) {
    await line.say(word);
    assert.equal(await line.hear(word), word);
  }
  assert.equal(times("GET /a/ws"), 1);
}

/**
 * Tests a proxy by the configuration for one provider, or that for a fleet, whose nodes are all the
 * one provider here.
 */
export async function testProxy(name: ProxyName, nodes: number): Promise<void> {
  const proxy = await proxyVersion(name);
  const ignore = proxy === null;
  const curlOf = (site: Site, version: string): Curl => (path, ...args) =>
    run([...site.reach, version, ...args, urlOf(site, path)]);

  Deno.test({ name: `${name}: a refusal comes through, whatever is sent`, ignore }, async () => {
    await using site = await openSite(name, nodes, 0n);
    // Over HTTP/2 curl 7.88 loses answers to uploads that it has not ended, whoever serves them.
    await testRefusal(site, curlOf(site, "--http1.1"));
  });

  Deno.test({ name: `${name}: calls and answers come through`, ignore }, async (t) => {
    await using site = await openSite(name, nodes, 100_000n);
    for (const version of ["--http1.1", "--http2"]) {
      const curl = curlOf(site, version);
      await t.step(`${version}: who called, and by which scheme`, () => testAddresses(site, curl));
      await t.step(`${version}: the target as it was sent`, () => testTargets(site, curl));
      await t.step(`${version}: streams and hang-ups`, () => testStreams(site, version));
      await t.step(`${version}: 16 MB both ways`, () => testSizes(site, curl));
      await t.step(`${version}: a cut answer`, () => testCut(site, curl, proxy));
    }
    await t.step("a program tells the proxy nothing", async () => {
      // At a host of its own, where the provider passes what it says.
      const own = `https://${site.cid}.${DOMAIN}:${site.port}/accel`;
      assert.equal((await run([...site.reach, own])).text, "mine\n");
    });
  });
  // It counts what breaks against a node, and these break many.
  const changes: [string, string][] = name === "nginx" && nodes > 1
    ? [["max_fails=1", "max_fails=0"]]
    : [];
  const test = (what: string, fn: (fleet: PlayedFleet) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${what}`,
      ignore,
      async fn() {
        await using fleet = await startFleet(name, { nodes, changes });
        await fn(fleet);
      },
    });
  test("a call that was begun is never sent twice, whatever breaks", testOnce);
  test("a program's own 503 is its answer", async ({ curl, times }) => {
    assert.equal((await curl("/a/503", "-w", "%{http_code}")).text, "mine\n503");
    assert.equal(times("GET /a/503"), 1);
  });
  test("a WebSocket is a tunnel both ways", testTunnel);
}
