import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { parseCurlFlags } from "./curl_flags.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const inputs = {
  file: (path: string) => Promise.resolve(bytes(path === "two-lines" ? "a\r\nb\n" : `<${path}>`)),
  stdin: () => Promise.resolve(bytes("from stdin")),
};
const parse = (...argv: string[]) => parseCurlFlags(argv, inputs);
const textOf = (body: Uint8Array | null) => body && new TextDecoder().decode(body);
const header = (headers: readonly (readonly [string, string])[], name: string) =>
  headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

function refuses(argv: string[], message: RegExp): Promise<void> {
  return assert.rejects(parse(...argv), (error) => {
    assert(error instanceof KhachapuriError);
    assert.equal(error.code, "usage");
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a bare path is a GET with curl's default headers", async () => {
  const command = await parse("/hello?x=1");
  assert.equal(command.method, "GET");
  assert.equal(command.target, "/hello?x=1");
  assert.equal(command.body, null);
  assert.deepEqual(header(command.headers, "accept"), ["*/*"]);
});

Deno.test("data makes a POST, and pieces are joined with an ampersand", async () => {
  const command = await parse("-d", "a=1", "--data-raw", "@b", "-d@two-lines", "/");
  assert.equal(command.method, "POST");
  assert.equal(textOf(command.body), "a=1&@b&ab");
  assert.deepEqual(header(command.headers, "content-type"), ["application/x-www-form-urlencoded"]);
});

Deno.test("--data-binary keeps a file's bytes and reads stdin for @-", async () => {
  assert.equal(textOf((await parse("--data-binary", "@two-lines", "/")).body), "a\r\nb\n");
  assert.equal(textOf((await parse("--data-binary", "@-", "/")).body), "from stdin");
});

Deno.test("--data-urlencode encodes content, and leaves a name alone", async () => {
  const command = await parse(
    "--data-urlencode",
    "q=ხ &",
    "--data-urlencode",
    "n@f",
    "--data-urlencode",
    "=x y",
    "/",
  );
  assert.equal(textOf(command.body), "q=%E1%83%AE%20%26&n=%3Cf%3E&x%20y");
});

Deno.test("--json sets both types and joins without an ampersand", async () => {
  const command = await parse("--json", '{"a":', "--json", "1}", "/");
  assert.equal(textOf(command.body), '{"a":1}');
  assert.deepEqual(header(command.headers, "content-type"), ["application/json"]);
  assert.deepEqual(header(command.headers, "accept"), ["application/json"]);
});

Deno.test("-G moves the data into the query", async () => {
  const command = await parse("-G", "-d", "a=1", "-d", "b=2", "/x?z=0");
  assert.equal(command.method, "GET");
  assert.equal(command.target, "/x?z=0&a=1&b=2");
  assert.equal(command.body, null);
  assert.deepEqual(header(command.headers, "content-type"), []);
});

Deno.test("short flags combine, with a value glued to the last", async () => {
  const command = await parse("-siXPATCH", "-ofile", "-HX-A: 1", "/");
  assert.equal(command.method, "PATCH");
  assert.equal(command.show, "head and body");
  assert.equal(command.output, "file");
  assert(command.isSilent);
  assert.deepEqual(header(command.headers, "x-a"), ["1"]);
});

Deno.test("-sS shows errors again", async () => {
  assert.equal((await parse("-sS", "/")).isSilent, false);
});

Deno.test("-I is a HEAD that shows the head alone", async () => {
  const command = await parse("-I", "/");
  assert.equal(command.method, "HEAD");
  assert.equal(command.show, "head");
});

Deno.test("-H keeps order and repeats, sends empty ones and takes defaults out", async () => {
  const { headers } = await parse("-H", "A: 1", "-H", "a: 2", "-H", "E;", "-H", "Accept:", "/");
  assert.deepEqual(headers.slice(0, 3), [["A", "1"], ["a", "2"], ["E", ""]]);
  assert.deepEqual(header(headers, "accept"), []);
});

Deno.test("-u, -b, -A and -e become their headers", async () => {
  const { headers } = await parse("-u", "me:pässword", "-b", "a=1", "-A", "x", "-e", "y", "/");
  assert.deepEqual(header(headers, "authorization"), ["Basic bWU6cMOkc3N3b3Jk"]);
  assert.deepEqual(header(headers, "cookie"), ["a=1"]);
  assert.deepEqual(header(headers, "user-agent"), ["x"]);
  assert.deepEqual(header(headers, "referer"), ["y"]);
});

Deno.test("-T uploads a file with PUT", async () => {
  const command = await parse("-T", "photo", "/");
  assert.equal(command.method, "PUT");
  assert.equal(textOf(command.body), "<photo>");
});

Deno.test("-m is in seconds with a fraction", async () => {
  assert.equal((await parse("-m", "1.5", "/")).maxTimeMs, 1500);
});

Deno.test("what would have no effect is refused by name", async () => {
  await refuses(["-L", "/"], /-L is not taken/);
  await refuses(["--proxy", "x", "/"], /--proxy is not taken/);
  await refuses(["--constructor", "/"], /--constructor is not taken/);
  await refuses(["-b", "jar.txt", "/"], /cookie file/);
});

Deno.test("incomplete and contradictory command lines are refused", async () => {
  await refuses([], /no URL/);
  await refuses(["/a", "/b"], /one URL/);
  await refuses(["/", "-X"], /-X needs a value/);
  await refuses(["-X", "GET /", "/"], /no method/);
  await refuses(["-H", "no colon", "/"], /-H takes/);
  await refuses(["-H", "a: b\r\nc: d", "/"], /-H takes/);
  await refuses(["-I", "-d", "x", "/"], /exclude/);
});
