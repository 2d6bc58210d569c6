import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { parseCurlFlags } from "./curl_flags.ts";
import { wireRequest } from "./curl_request.ts";
import { parseCurlUrl } from "./curl_url.ts";

// What goes on the wire is compared with the real curl in tests/curl_wire_test.ts.

const bytes = (text: string) => new TextEncoder().encode(text);
const files: Record<string, string> = { "two-lines": "a\r\nb\n", fields: "X-A: 1\n\nX-B;\n" };
const inputs = {
  file: (path: string) => Promise.resolve(bytes(files[path] ?? `<${path}>`)),
  stdin: () => Promise.resolve(bytes("from stdin")),
};
const parse = (...argv: string[]) => parseCurlFlags(argv, inputs);
const textOf = (body: Uint8Array | null) => body && new TextDecoder().decode(body);

async function wireOf(...argv: string[]) {
  const { target, request } = await parse(...argv);
  const { fields, ...wire } = wireRequest(request, parseCurlUrl(`http://h${target}`));
  return {
    ...wire,
    body: textOf(wire.body),
    header: (name: string) =>
      fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value),
  };
}

function refuses(argv: string[], message: RegExp, hint = /./): Promise<void> {
  return assert.rejects(wireOf(...argv), (error) => {
    assert(error instanceof KhachapuriError);
    assert.equal(error.code, "usage");
    assert.match(error.message, message);
    if (hint.source !== ".") assert.match(error.hints.join("\n"), hint);
    return true;
  });
}

Deno.test("data makes a POST, and pieces are joined with an ampersand", async () => {
  const wire = await wireOf("-d", "a=1", "--data-raw", "@b", "-d@two-lines", "/");
  assert.equal(wire.method, "POST");
  assert.equal(wire.body, "a=1&@b&ab");
  assert.deepEqual(wire.header("content-type"), ["application/x-www-form-urlencoded"]);
  assert.equal((await wireOf("-d", "", "-d", "a", "/")).body, "&a");
});

Deno.test("stdin is read once, and is empty after that", async () => {
  assert.equal((await wireOf("--data-binary", "@-", "-d", "@-", "/")).body, "from stdin&");
});

Deno.test("-G, --url-query and -T put into the URL what they stand for", async () => {
  const get = await wireOf("-G", "-d", "a=1", "-d", "b=2", "/x?z=0#f");
  assert.equal(get.target, "/x?z=0&a=1&b=2");
  assert.equal(get.body, null);
  assert.equal((await wireOf("--url-query", "n=a b", "/x?")).target, "/x?n=a+b");
  assert.equal(
    (await wireOf("-T", "../my photo.jpg", "/album/?q")).target,
    "/album/my%20photo.jpg?q",
  );
  assert.equal((await wireOf("-T", "photo.jpg", "/album")).target, "/album");
});

Deno.test("short flags combine, with a value glued to the last", async () => {
  const { request, print } = await parse("-siXPATCH", "-ofile", "-HX-A: 1", "/");
  assert.equal(request.customMethod, "PATCH");
  assert.equal(print.show, "head and body");
  assert.equal(print.output, "file");
  assert.deepEqual(request.headers, [["X-A", "1"]]);
});

Deno.test("--no- takes a switch back, and what follows -- is the URL", async () => {
  assert.equal((await parse("-I", "--no-head", "/")).print.show, "body");
  assert.equal((await parse("--", "-x")).target, "-x");
});

Deno.test("-H keeps order and repeats, sends empty ones, takes defaults out and reads files", async () => {
  const wire = await wireOf("-H", "X: ü", "-H", "x: 2", "-H", "@fields", "-H", "Accept:", "/");
  assert.deepEqual(wire.header("x"), ["ü", "2"]);
  assert.deepEqual(wire.header("x-b"), [""]);
  assert.deepEqual(wire.header("accept"), []);
});

Deno.test("the first Host of -H stands for all, and only behind 'Host:' others are fields", async () => {
  const hosts = async (...lines: string[]) =>
    (await wireOf(...lines.flatMap((line) => ["-H", line]), "/")).header("host");
  assert.deepEqual(await hosts("hOsT: other"), ["other"]);
  assert.deepEqual(await hosts("Host: a", "host: b"), ["a"]);
  assert.deepEqual(await hosts("Host;", "Host: b"), [""]);
  assert.deepEqual(await hosts("Host: ", "Host: b"), []);
  assert.deepEqual(await hosts("host:", "Host: b"), []);
  assert.deepEqual(await hosts("Host:", "Host: b", "Host: c"), ["b", "c"]);
});

Deno.test("-b joins, -u, -A, -e and -r become their fields, -H wins over them", async () => {
  const wire = await wireOf("-umy:pässword", "-b", "a=1", "-b", "b=2", "-Ax", "-ey", "-r7", "/");
  assert.deepEqual(wire.header("authorization"), ["Basic bXk6cMOkc3N3b3Jk"]);
  assert.deepEqual(wire.header("cookie"), ["a=1;b=2"]);
  assert.deepEqual(wire.header("user-agent"), ["x"]);
  assert.deepEqual(wire.header("referer"), ["y"]);
  assert.deepEqual(wire.header("range"), ["bytes=7-"]);
  const won = await wireOf("-u", "a:b", "-H", "authorization: mine", "-A", "", "/");
  assert.deepEqual(won.header("authorization"), ["mine"]);
  assert.deepEqual(won.header("user-agent"), []);
});

Deno.test("a body of a megabyte asks before it is sent, unless -H 'Expect:' says no", async () => {
  const large = "x".repeat(1_048_577);
  assert.equal((await wireOf("-d", large, "/")).isExpecting, true);
  assert.equal((await wireOf("-d", large, "-H", "Expect:", "/")).isExpecting, false);
  assert.equal((await wireOf("-d", "x", "/")).isExpecting, false);
});

Deno.test("times are in seconds with a fraction, and 0 is no limit", async () => {
  assert.equal((await parse("-m", "1.5", "/")).transfer.maxTimeMs, 1500);
  assert.equal(
    (await parse("-m", ".5", "--connect-timeout", "2", "/")).transfer.connectTimeoutMs,
    2000,
  );
  assert.equal((await parse("-m", "0", "/")).transfer.maxTimeMs, null);
});

Deno.test("-O names the file after the URL", async () => {
  assert.equal((await parse("-O", "/a/b.txt?x")).print.output, "b.txt");
  const inDir = await parse("-O", "--output-dir", "d", "--create-dirs", "/b.txt");
  assert.equal(inDir.print.output, "d/b.txt");
  await refuses(["-O", "/a/"], /ends in no name/);
  await refuses(["-o", "", "/a"], /-o names no file/);
});

Deno.test("what can't be meant here is refused by its name, with what to do instead", async () => {
  await refuses(["--proxy", "x", "/"], /--proxy is not taken/, /provider itself/);
  await refuses(["-c", "jar", "/"], /-c is not taken/, /name=value/);
  await refuses(["-b", "jar.txt", "/"], /cookie file/);
  await refuses(["-0", "/"], /-0 is not taken/, /HTTP\/1\.1/);
  await refuses(["-u", "me", "/"], /-u takes USER:PASSWORD/);
  await refuses(["--no-such", "/"], /--no-such is not taken/, /-X -H -d/);
  await refuses(["--constructor", "/"], /--constructor is not taken/);
  await refuses(["--data=x", "/"], /--data takes its value as the next argument/);
  await refuses(["/a{b,c}"], /list of URLs/, /-g/);
  assert.equal((await parse("-g", "/a{b,c}")).target, "/a{b,c}");
});

Deno.test("incomplete and contradictory command lines are refused", async () => {
  await refuses([], /no URL/);
  await refuses(["/a", "/b"], /one URL/);
  await refuses(["/", "-X"], /-X needs a value/);
  await refuses(["-X", "GET /", "/"], /no method/);
  await refuses(["-H", "no colon", "/"], /-H takes/);
  await refuses(["-H", "a: b\r\nc: d", "/"], /-H takes/);
  await refuses(["-I", "-d", "x", "/"], /-d and -I exclude/);
  await refuses(["-T", "f", "-d", "x", "/"], /-d and -T exclude/);
  await refuses(["-f", "--fail-with-body", "/"], /exclude/);
  await refuses(["-d", "x", "-H", "Content-Length: 2", "/"], /not the body's length/);
  await refuses(["-H", "Transfer-Encoding: chunked", "/"], /with a body/);
  await refuses(["/a b"], /no spaces/, /%20/);
});
