/**
 * Programs that were written for no sandbox call servers outside, through a real provider, with
 * nothing configured but the hosts that their spec lists, and the authority that vouches for those.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { certificateFiles } from "../worlds/certificate.ts";
import { makeFolder } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { startCluster } from "../worlds/postgres/cluster.ts";
import { findPostgres } from "../worlds/postgres/server.ts";
import { isOnPath } from "../tools/requirements.ts";

const NAME = "outside.test";
const UNLISTED = "elsewhere.test";
/** As resolvers say it in all these languages. */
const NO_SUCH_NAME = new RegExp(
  [
    ...["not resolve host", "unable to resolve", "name or service not known"],
    ...["enotfound", "no such host", "unresolvedaddress"],
  ].join("|"),
  "i",
);
/** Java compiles first, and the machine may be busy. */
const RUN_SECONDS = 60;
const GREETING = { hello: "from outside" };

/** One program that calls a host. */
interface Caller {
  readonly name: string;
  /** Commands and modules without which it does not run here. */
  readonly needs: readonly (() => Promise<boolean>)[];
  readonly interface?: "curl" | "cgi";
  /** Shell, with the host's name in `$host`; stderr is answered, too. */
  readonly script: string;
  /** Further files of the program. */
  readonly files?: Readonly<Record<string, string>>;
  /** What it answers when it has reached the host. */
  readonly answers?: RegExp;
}

const command = (name: string) => () => isOnPath(name);
const runs = (name: string, ...args: string[]) => () =>
  new Deno.Command(name, { args, stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);

/** Debian's own, as a sandbox has no other. */
const PYTHON = "/usr/bin/python3";

const JAVA = `import java.net.URI;
import java.net.http.*;
public class Call {
  public static void main(String[] args) throws Exception {
    var request = HttpRequest.newBuilder(URI.create("https://" + args[0] + "/")).build();
    System.out.println(HttpClient.newHttpClient()
        .send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}
`;

const GO = `package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	response, err := http.Get("https://" + os.Args[1] + "/")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	io.Copy(os.Stdout, response.Body)
}
`;

/** Prints whether the server sees the connection as encrypted. */
const PSQL = `psql -h "$host" -U nino postgres -Atc \\
  "select 6 * 7, ssl from pg_stat_ssl where pid = pg_backend_pid()"`;

const CURL = { needs: [command("curl")], script: 'curl -sS "https://$host/"' };

const CALLERS: readonly Caller[] = [
  { name: "curl", ...CURL },
  { name: "curl, as a CGI program", interface: "cgi", ...CURL },
  {
    name: "wget",
    needs: [command("wget")],
    // It reads no variable that names an authority, but its settings.
    script: 'WGETRC=$PWD/wgetrc wget -nv -O - "https://$host/"',
    files: { wgetrc: "ca_certificate = cert.pem\n" },
  },
  {
    name: "git",
    needs: [command("git")],
    script: 'git clone -q "https://$host/repo.git" /tmp/clone && cat /tmp/clone/hello.json',
  },
  {
    name: "Node's fetch",
    needs: [runs("/usr/bin/node", "-e", "fetch")],
    script: `/usr/bin/node -e 'fetch("https://" + process.argv[1])
        .then((response) => response.text()).then(console.log)' $host`,
  },
  {
    name: "Python's urllib",
    interface: "cgi",
    needs: [runs(PYTHON, "-c", "import ssl")],
    script: `${PYTHON} -c 'import sys, urllib.request as r
print(r.urlopen(f"https://{sys.argv[1]}/").read().decode())' $host`,
  },
  {
    name: "Python's requests",
    needs: [runs(PYTHON, "-c", "import requests")],
    script: `${PYTHON} -c 'import requests, sys
print(requests.get(f"https://{sys.argv[1]}/").text)' $host`,
  },
  {
    name: "a static Go program, with a resolver of its own",
    needs: [command("go")],
    script: './call "$host"',
  },
  {
    name: "Java's HttpClient",
    interface: "cgi",
    needs: [runs("java", "--source", "17", "--version"), command("keytool")],
    script: `java -Djavax.net.ssl.trustStore=trust.p12 \\
      -Djavax.net.ssl.trustStorePassword=changeit Call.java "$host"`,
    files: { "Call.java": JAVA },
  },
  {
    name: "psql, without TLS",
    needs: [command("psql"), async () => await findPostgres() !== null],
    script: `PGSSLMODE=disable ${PSQL}`,
    answers: /^42\|f$/m,
  },
  {
    name: "psql, with TLS",
    needs: [command("psql"), async () => await findPostgres() !== null],
    script: `PGSSLMODE=verify-full ${PSQL}`,
    answers: /^42\|t$/m,
  },
];

/** The environment that names the authority to each of them. */
const TRUST = [
  ...["CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"],
  ...["REQUESTS_CA_BUNDLE", "PGSSLROOTCERT"],
];

async function succeed(name: string, args: string[], options: Deno.CommandOptions = {}) {
  const { success, stderr, stdout } = await new Deno.Command(name, { args, ...options }).output();
  const decoder = new TextDecoder();
  assert.ok(success, `${name}: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}

/** A folder that a web server offers to git clients: a repository with one file. */
async function makeRepository(dir: string): Promise<void> {
  const work = join(dir, "work");
  const git = (cwd: string, ...args: string[]) =>
    succeed("git", ["-c", "user.name=Nino", "-c", "user.email=nino@example.org", ...args], { cwd });
  await git(dir, "init", "-q", "work");
  await Deno.writeTextFile(join(work, "hello.json"), JSON.stringify(GREETING));
  await git(work, "add", ".");
  await git(work, "commit", "-q", "-m", "Greet");
  await git(dir, "clone", "-q", "--bare", "work", "repo.git");
  await git(join(dir, "repo.git"), "update-server-info");
}

/** Servers outside of every sandbox, and a provider that leads their name to them. */
async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const tls = stack.use(await certificateFiles(NAME));
  const { dir } = stack.use(await makeFolder());
  if (await isOnPath("git")) await makeRepository(dir);
  const [cert, key] = [await Deno.readTextFile(tls.cert), await Deno.readTextFile(tls.key)];
  const web = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/") return Response.json(GREETING);
      const file = await Deno.readFile(join(dir, pathname)).catch(() => null);
      return new Response(file, { status: file ? 200 : 404 });
    },
  );
  stack.defer(() => web.shutdown());
  const connectTo: Record<string, string> = { [`${NAME}:443`]: `127.0.0.1:${web.addr.port}` };
  const bin = await findPostgres();
  if (bin !== null) {
    const { port } = stack.use(await startCluster(bin, { tls }));
    connectTo[`${NAME}:5432`] = `127.0.0.1:${port}`;
  }
  const programs = {
    "cert.pem": cert,
    "trust.p12": await trustStore(dir, tls.cert),
    call: await buildGo(dir),
  };
  const egress = { hosts: ["*:443", "*:5432"], connectTo };
  const sandbox = { timeoutMs: RUN_SECONDS * 1_000 };
  const market = stack.use(await startMarket({ settings: { egress, sandbox }, credits: 1_000n }));
  const owned = stack.move();
  return { market, programs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** For Java, where it is; else empty. */
async function trustStore(dir: string, cert: string): Promise<Uint8Array> {
  if (!await isOnPath("keytool")) return new Uint8Array();
  const path = join(dir, "trust.p12");
  const store = ["-keystore", path, "-storetype", "PKCS12", "-storepass", "changeit"];
  await succeed("keytool", ["-importcert", "-noprompt", "-file", cert, ...store]);
  return await Deno.readFile(path);
}

/** Static, where there is a compiler; else empty. */
async function buildGo(dir: string): Promise<Uint8Array> {
  if (!await isOnPath("go")) return new Uint8Array();
  const [source, path] = [join(dir, "main.go"), join(dir, "call")];
  await Deno.writeTextFile(source, GO);
  const env = { CGO_ENABLED: "0", GO111MODULE: "off", GOCACHE: join(dir, "go"), HOME: dir };
  await succeed("go", ["build", "-ldflags=-s -w", "-o", path, source], { env });
  return await Deno.readFile(path);
}

function deploy({ market, programs }: World, caller: Caller): Promise<string> {
  const { interface: style = "curl" } = caller;
  const head = style === "cgi" ? "printf 'Content-Type: text/plain\\n\\n'" : "";
  const exports = TRUST.map((name) => `${name}=$PWD/cert.pem`).join(" ");
  const main =
    `#!/bin/sh\n${head}\nexec 2>&1\nexport ${exports}\nhost=$QUERY_STRING\n${caller.script}\n`;
  return market.deploy({
    files: { main, ...programs, ...caller.files },
    fields: {
      interface: style,
      egress: [`${NAME}:443`, `${NAME}:5432`],
      limits: {
        timeoutMs: RUN_SECONDS * 1_000,
        memoryMb: 512,
        concurrency: 2,
        ownerCreditsPerMinute: 600,
      },
    },
  });
}

async function answer(market: Market, cid: string, host: string): Promise<string> {
  return await (await market.call(`${cid}?${host}`)).text();
}

Deno.test("programs call the hosts that their spec lists, and find no others", async (t) => {
  await using world = await openWorld();
  for (const caller of CALLERS) {
    const { name, needs, answers = /"hello":"from outside"/ } = caller;
    const missing = (await Promise.all(needs.map((need) => need()))).includes(false);
    await t.step({
      name: missing ? `${name} is not on this machine: NOT RUN` : name,
      ignore: missing,
      async fn() {
        const cid = await deploy(world, caller);
        assert.match(await answer(world.market, cid, NAME), answers);
        const without = await answer(world.market, cid, UNLISTED);
        assert.match(without, NO_SUCH_NAME);
        assert.doesNotMatch(without, answers);
      },
    });
  }
});
