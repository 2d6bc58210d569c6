/** "Programs are binaries with curl interface", shown with real ones in the real sandbox. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { curlInvocation, readCurlResponse } from "../lib/provider/program/interface/curl.ts";
import { rehearse, type RehearsedProgram, type Stage } from "../lib/provider/program/rehearsal.ts";
import { outputOf, streamOf as bodyOf } from "../sandbox/output.ts";
import type { SandboxHost } from "../sandbox/sandbox.ts";
import { commandUnderTest } from "../worlds/command_line.ts";
import { makeFolder } from "../worlds/home.ts";
import { SMALL_PROGRAM } from "../worlds/sandbox/small_program.ts";

const host: SandboxHost = { launcher: "bwrap", runUid: Deno.uid() === 0 ? 65_534 : null };
const samples = new URL("../samples/", import.meta.url).pathname;

function stageOf(dir: string, fields: Partial<RehearsedProgram> = {}): Promise<Stage> {
  return rehearse(host, {
    ...SMALL_PROGRAM,
    dir,
    timeoutMs: 10_000,
    memoryMb: 256,
    ...fields,
  });
}

async function call(
  dir: string,
  path: string,
  request: { method?: string; headers?: [string, string][]; body?: string } = {},
  fields: Partial<RehearsedProgram> = {},
) {
  await using stage = await stageOf(dir, fields);
  const { response, record } = await stage.call({
    method: request.method ?? "GET",
    base: new URL("https://provider.example"),
    path: path.split("?")[0]!,
    query: path.split("?")[1] ?? null,
    headers: request.headers ?? [],
    body: request.body === undefined ? null : new TextEncoder().encode(request.body),
  });
  const body = await new Response(bodyOf(response)).text();
  const { exit, stderr } = await record;
  const headers = new Headers(response.headers);
  return { ...response, headers, body, exit, stderr: new TextDecoder().decode(stderr) };
}

async function withProgram(
  script: string,
  test: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "main"), script, { mode: 0o755 });
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a five-line sh script answers with status, headers and body", async () => {
  assert.equal((await Deno.readTextFile(join(samples, "hello/main"))).trim().split("\n").length, 5);
  const { status, headers, body } = await call(join(samples, "hello"), "/?Nino");
  assert.equal(status, 200);
  assert.equal(headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(headers.get("x-made-of"), "cheese and dough");
  assert.equal(body, "gamarjoba, Nino\n");
});

Deno.test("a program gets curl's arguments, CGI variables and the body", async () => {
  const { body } = await call(join(samples, "echo"), "/album?n=1", {
    method: "PUT",
    headers: [["X-A", "1"], ["Payment-Signature", "bearer"], ["Proxy", "http://evil.example"]],
    body: "photo",
  }, { args: ["--own"], env: { TOKEN: "secret" } });
  const lines = body.split("\n").map((line) => line.trim());
  const args = lines.slice(lines.indexOf("arguments") + 1, lines.indexOf("variables"));
  assert.deepEqual(args, [
    "--own",
    "-q",
    "-g",
    "-s",
    "-S",
    "-i",
    "-X",
    "PUT",
    "-H",
    "x-a: 1",
    "-H",
    "proxy: http://evil.example",
    "--data-binary",
    "@-",
    "https://provider.example/album?n=1",
  ]);
  for (const variable of ["TOKEN=secret", "PATH_INFO=/album", "HTTP_X_A=1", "CONTENT_LENGTH=5"]) {
    assert(lines.includes(variable), variable);
  }
  assert(!body.includes("bearer") && !body.includes("HTTP_PROXY"));
  assert.equal(lines.at(-1), "photo");
});

Deno.test("who pays is said to a program as a provider would say it, and else nobody is", async () => {
  const payer = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
  const forged = { headers: [["khachapuri_payer", "0x1"]] as [string, string][] };
  const paid = (await call(join(samples, "echo"), "/", forged, { payer })).body;
  assert(paid.includes(`  khachapuri-payer: ${payer}\n`), paid);
  assert(paid.includes(`  KHACHAPURI_PAYER=${payer}\n`), paid);
  assert.doesNotMatch((await call(join(samples, "echo"), "/", forged)).body, /payer/i);
});

Deno.test("a program's forged payment headers are gone, its own status stays", async () => {
  const script = "#!/bin/sh\nprintf 'HTTP/1.1 402 Pay Me\\nPAYMENT-REQUIRED: forged\\n\\npay'\n";
  await withProgram(script, async (dir) => {
    const { status, headers, body } = await call(dir, "/");
    assert.equal(status, 402);
    assert.deepEqual([...headers], []);
    assert.equal(body, "pay");
  });
});

Deno.test("a CGI program runs unchanged", async () => {
  const script = '#!/bin/sh\nprintf "Status: 201 Created\\nContent-Type: text/plain\\n\\n"\n' +
    'echo "$# $REQUEST_METHOD $PATH_INFO $(cat)"\n';
  await withProgram(script, async (dir) => {
    const request = { method: "POST", body: "body" };
    const { status, body } = await call(dir, "/a%20b?-x", request, { interface: "cgi" });
    assert.equal(status, 201);
    assert.equal(body, "0 POST /a b body\n");
  });
});

Deno.test("Debian's curl is a program: it takes the arguments and, without network, fails", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.copyFile("/usr/bin/curl", join(dir, "curl"));
    await Deno.chmod(join(dir, "curl"), 0o755);
    const fields = { entrypoint: "./curl" };
    for (const method of ["GET", "POST", "HEAD", "DELETE"]) {
      const request = { method, headers: [["X-Empty", ""]] as [string, string][], body: "data" };
      const { hasHead, body, exit, stderr } = await call(dir, "/x?[a]{b}", request, fields);
      // 6 is curl's own "could not resolve host"; a bad option would be 2.
      assert.equal(exit, 6);
      assert.match(stderr, /^curl: \(6\) Could not resolve host: provider\.example/);
      assert.equal(hasHead, false);
      assert.equal(body, "");
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** What a server saw of a request, without what every client adds by itself. */
interface Seen {
  method: string;
  target: string;
  headers: Record<string, string>;
  body: string;
}

Deno.test("real curl sends the very request its arguments were made from", async () => {
  const seen: Seen[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const { "user-agent": _, accept: __, host: ___, "content-length": ____, ...headers } = Object
      .fromEntries(request.headers);
    const body = await request.text();
    seen.push({ method: request.method, target: `${pathname}${search}`, headers, body });
    const answer = request.method === "HEAD" ? null : "answer";
    return new Response(answer, { status: 207, headers: { "x-answer": "yes" } });
  });
  try {
    for (const method of ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) {
      const hasBody = method === "POST" || method === "PUT";
      const wanted = { "x-a": "1, 2", "x-empty": "", "content-type": "text/plain" };
      const { args } = curlInvocation({
        method,
        protocol: "HTTP/1.1",
        base: new URL(`http://127.0.0.1:${server.addr.port}`),
        mount: "/cid",
        path: "/a%20b/[x]",
        query: "q={1,2}&r=%00",
        headers: Object.entries(wanted),
        hasBody,
        bodyBytes: null,
        remoteAddress: "127.0.0.1",
        upgrade: null,
        payer: null,
      });
      const answer = await realCurl(args, hasBody ? "line\r\nline\n" : "");
      assert.deepEqual(seen.pop(), {
        method,
        target: "/cid/a%20b/[x]?q={1,2}&r=%00",
        headers: wanted,
        body: hasBody ? "line\r\nline\n" : "",
      });
      assert.equal(answer.status, 207);
      assert.equal(new Headers(answer.headers).get("x-answer"), "yes");
      assert.equal(await new Response(bodyOf(answer)).text(), method === "HEAD" ? "" : "answer");
    }
  } finally {
    await server.shutdown();
  }
});

/** Runs curl outside of any sandbox and reads what it prints as a program's answer. */
async function realCurl(args: string[], stdin: string) {
  const child = new Deno.Command("curl", { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin));
  await writer.close();
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  return await readCurlResponse(outputOf(ReadableStream.from([stdout])));
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("the samples do what their README says", async () => {
  const words = await call(join(samples, "words"), "/", {
    method: "POST",
    body: "one two\nthree\n",
  });
  assert.deepEqual(JSON.parse(words.body), { lines: 2, words: 3, bytes: 14 });
  assert.equal((await call(join(samples, "words"), "/")).status, 405);

  const request = { method: "POST", body: "message" };
  const env = { SIGNING_KEY: "key" };
  const signed = await call(join(samples, "secret"), "/", request, { env });
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("key\nmessage"));
  assert.equal(signed.body, `${new Uint8Array(digest).toHex()}\n`);
  const unset = await call(join(samples, "secret"), "/", request);
  assert.equal(unset.exit, 1);
  assert.equal(unset.body, "");
  assert.equal(unset.stderr, "SIGNING_KEY is not set\n");
});

async function runCommand(...args: string[]) {
  const [program, ...flags] = commandUnderTest();
  const home = await Deno.makeTempDir();
  const command = new Deno.Command(program!, {
    args: [...flags, "run", ...args],
    env: { KHACHAPURI_HOME: home },
    stdin: "null",
  });
  try {
    const { code, stdout, stderr } = await command.output();
    return { code, stdout: decode(stdout), stderr: decode(stderr) };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("run DIR prints what curl would, with curl's flags", async () => {
  const hello = join(samples, "hello");
  const plain = await runCommand(hello, "/?Nino");
  assert.deepEqual(plain, { code: 0, stdout: "gamarjoba, Nino\n", stderr: "" });

  const included = await runCommand(hello, "-i", "https://provider.example/x?Nino");
  assert.equal(
    included.stdout,
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n" +
      "x-made-of: cheese and dough\r\n\r\ngamarjoba, Nino\n",
  );
  const head = await runCommand(hello, "-I", "/");
  assert(head.stdout.endsWith("\r\n\r\n") && !head.stdout.includes("gamarjoba"));

  const words = join(samples, "words");
  assert.match((await runCommand(words, "-d", "a b c", "/")).stdout, /"words":3/);
  const failing = await runCommand(words, "-f", "/");
  await using folder = await makeFolder();
  const [kept, none] = [join(folder.dir, "kept"), join(folder.dir, "none")];
  await Deno.writeTextFile(kept, "old");
  for (const path of [kept, none]) await runCommand(words, "-f", "-o", path, "/");
  assert.equal(await Deno.readTextFile(kept), "old");
  await assert.rejects(Deno.stat(none), Deno.errors.NotFound);
  assert.equal(failing.code, 8);
  assert.equal(failing.stdout, "");
  assert.match(failing.stderr, /answer was 405/);
});

Deno.test("run DIR tells what is wrong, with an exit code that means it", async () => {
  const unknown = await runCommand(join(samples, "hello"), "-x", "proxy", "/");
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /-x is not taken/);
  const missing = await runCommand("--entrypoint", "./nope", join(samples, "hello"), "/");
  assert.equal(missing.code, 3);
  const silent = await runCommand(join(samples, "secret"), "/");
  assert.equal(silent.code, 8);
  assert.match(silent.stderr, /SIGNING_KEY is not set/);
});

Deno.test("run DIR -m ends a program that takes longer", async () => {
  await withProgram("#!/bin/sh\nexec sleep 60\n", async (dir) => {
    const startedAt = Date.now();
    const late = await runCommand(dir, "-m", "0.2", "/");
    assert.ok(Date.now() - startedAt < 10_000, "before its own 15 s are over");
    assert.match(late.stderr, /no answer within 200 ms \(-m\)/);
    assert.notEqual(late.code, 0);
  });
});
