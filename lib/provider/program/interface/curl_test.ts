import assert from "node:assert/strict";
import fc from "fast-check";
import { KhachapuriError } from "../../../errors.ts";
import { programRequest, type RequestFields } from "../../../../worlds/sandbox/program_request.ts";
import { curlInvocation } from "./curl.ts";

const invoke = (fields: RequestFields = {}) => curlInvocation(programRequest(fields));

/** What follows each -H. */
function headerArguments(args: readonly string[]): string[] {
  return args.filter((_, index) => args[index - 1] === "-H");
}

Deno.test("a POST becomes the argument list of design and documentation", () => {
  const { args } = invoke({
    method: "POST",
    path: "/path",
    query: "query",
    headers: { "content-type": "application/json", host: "provider.example" },
    hasBody: true,
  });
  assert.deepEqual(args, [
    "-q",
    "-g",
    "-s",
    "-S",
    "-i",
    "-X",
    "POST",
    "-H",
    "content-type: application/json",
    "--data-binary",
    "@-",
    "https://provider.example/bafkcid/path?query",
  ]);
});

Deno.test("without a body curl is not asked to read one", () => {
  assert.deepEqual(invoke().args, [
    "-q",
    "-g",
    "-s",
    "-S",
    "-i",
    "-X",
    "GET",
    "https://provider.example/bafkcid/",
  ]);
});

Deno.test("a HEAD is -I, as -X HEAD would make curl wait for a body", () => {
  const { args } = invoke({ method: "HEAD", hasBody: true });
  assert.deepEqual(args, ["-q", "-g", "-s", "-S", "-I", "https://provider.example/bafkcid/"]);
});

Deno.test("an empty header is written with a semicolon, as curl takes a bare colon for removal", () => {
  assert.deepEqual(headerArguments(invoke({ headers: { "x-empty": "" } }).args), ["x-empty;"]);
});

Deno.test("a header and the URL are the caller's octets", () => {
  const { args, env } = invoke({ headers: { "x-b": "caf\u00e9" }, path: "/caf%E9", query: "" });
  assert.deepEqual(headerArguments(args), ["x-b: caf\u00e9"]);
  assert.equal(args.at(-1), "https://provider.example/bafkcid/caf%E9?");
  assert.deepEqual([env.HTTP_X_B, env.PATH_INFO], ["caf\u00e9", "/caf\u00e9"]);
});

Deno.test("nothing behind the cid is a URL without a slash there", () => {
  assert.equal(invoke({ path: "" }).args.at(-1), "https://provider.example/bafkcid");
});

Deno.test("repeated headers are repeated arguments, but one of a single value is there once", () => {
  const headers: [string, string][] = [["accept", "a"], ["range", "x"], ["accept", "b"]];
  const { args } = invoke({ headers: [...headers, ["range", "x"]] });
  assert.deepEqual(headerArguments(args), ["accept: a", "range: x", "accept: b"]);
});

const PRIVATE = {
  "payment-signature": "bearer",
  "payment-anything": "1",
  "x-payment": "bearer",
  "payer": "0x1",
  "connection": "close, X-Hop",
  "x-hop": "1",
  "keep-alive": "1",
  "proxy-authorization": "Basic x",
  "te": "trailers",
  "transfer-encoding": "chunked",
  "upgrade": "h2c",
};

Deno.test("payments and hop-by-hop headers reach neither arguments nor environment", () => {
  const { args, env } = invoke({ headers: { ...PRIVATE, authorization: "Bearer program's" } });
  assert.deepEqual(headerArguments(args), ["authorization: Bearer program's"]);
  const names = Object.keys(env).filter((name) => name.startsWith("HTTP_"));
  assert.deepEqual(names, ["HTTP_AUTHORIZATION"]);
});

const PAYER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const OURS = [
  "khachapuri-payer",
  "khachapuri-anything",
  "payer",
  "payment-signature",
  "x-payment",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-real-ip",
  "proxy-authorization",
];

/** A name as strangers may write it, so that who makes variables of names takes it for the same. */
const respelled = (name: string) =>
  fc.tuple(
    ...[...name].map((char) =>
      char === "-"
        ? fc.constantFrom(..."-_.!#$%&'*+^`|~")
        : fc.constantFrom(char, char.toUpperCase())
    ),
  ).map((chars) => chars.join(""));

Deno.test("what the provider says of a request nobody else can, however it is spelled", () => {
  const spelled = fc.constantFrom(...OURS).chain(respelled);
  const payers = fc.constantFrom(null, PAYER);
  fc.assert(fc.property(fc.array(spelled, { maxLength: 4 }), payers, (names, payer) => {
    // On the wire names know no case, and are in lower case from there on.
    const headers = names.map((name): [string, string] => [name.toLowerCase(), "forged"]);
    const { args, env } = invoke({ headers, payer });
    assert.deepEqual(headerArguments(args), payer === null ? [] : [`khachapuri-payer: ${payer}`]);
    assert.equal(env.KHACHAPURI_PAYER, payer ?? undefined);
    assert(!Object.values(env).includes("forged"));
  }));
});

Deno.test("Connection cannot take away what the provider says", () => {
  const headers = { connection: "khachapuri-payer, close" };
  const { args } = invoke({ headers, payer: PAYER });
  assert.deepEqual(headerArguments(args), [`khachapuri-payer: ${PAYER}`]);
});

Deno.test("httpoxy: a Proxy header does not become HTTP_PROXY", () => {
  const { args, env } = invoke({ headers: { proxy: "http://evil.example" } });
  assert.equal(env.HTTP_PROXY, undefined);
  assert.deepEqual(headerArguments(args), ["proxy: http://evil.example"]);
});

Deno.test("a host of its own and a port appear in URL and variables alike", () => {
  const { args, env } = invoke({ base: new URL("http://cid.provider.example:8402"), mount: "" });
  assert.equal(args.at(-1), "http://cid.provider.example:8402/");
  assert.equal(env.SERVER_PORT, "8402");
  assert.equal(env.SERVER_NAME, "cid.provider.example");
  assert.equal(env.SCRIPT_NAME, "");
});

Deno.test("no request can smuggle an option: a dash comes only from us", () => {
  const name = fc.stringMatching(/^[a-z-]{1,12}$/);
  const value = fc.string({ maxLength: 30 }).map((text) =>
    text.replace(/[^\x20-\x7e]/g, "-").trim()
  );
  const options = new Set(["-q", "-g", "-s", "-S", "-i", "-I", "-X", "-H", "--data-binary"]);
  fc.assert(fc.property(
    fc.constantFrom("GET", "POST", "HEAD", "-O", "M-SEARCH"),
    fc.dictionary(name, value),
    fc.webPath(),
    fc.boolean(),
    (method, headers, path, hasBody) => {
      let args: string[];
      try {
        args = invoke({ method, headers, path: path || "/", hasBody }).args;
      } catch (error) {
        assert(error instanceof KhachapuriError);
        return;
      }
      for (let index = 0; index < args.length - 1; index++) {
        const argument = args[index]!;
        assert(options.has(argument), argument);
        if (["-X", "-H", "--data-binary"].includes(argument)) index++;
      }
      assert(args.at(-1)!.startsWith("https://provider.example/"));
      assert(args.every((argument) => !/[\r\n\0]/.test(argument)));
    },
  ));
});
