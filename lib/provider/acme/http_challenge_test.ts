import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { connect, type RawSocket, say } from "../../../worlds/wire.ts";
import { CHALLENGE_CONNECTIONS_MAX } from "../../limits_of_certificates.ts";
import { httpChallenge } from "./http_challenge.ts";

const { signal } = new AbortController();
const TOKEN = "t".repeat(43);
const PATH = `/.well-known/acme-challenge/${TOKEN}`;

async function open(webDomain = "https://provider.test") {
  const challenge = httpChallenge({ place: "127.0.0.1:0", webDomain, log: hearLog().log });
  await challenge.open();
  const url = `http://127.0.0.1:${challenge.address()!.port}`;
  const ask = (head: string) => say(url, `${head}\r\n\r\n`);
  return { challenge, url, ask, [Symbol.asyncDispose]: () => challenge.close() };
}

Deno.test("a proof is seen as long as it is shown, and only by its token", async () => {
  await using port = await open();
  const look = (path: string) => port.ask(`GET ${path} HTTP/1.1\r\nHost: provider.test`);
  assert.match(await look(PATH), /^HTTP\/1\.1 404 /);
  const proof = { name: "provider.test", token: TOKEN, keyAuthorization: "token.thumbprint" };
  await port.challenge.present(proof, signal);
  assert.match(await look(PATH), /^HTTP\/1\.1 200 [^]*\r\n\r\ntoken\.thumbprint$/);
  assert.match(await look(`${PATH}x`), /^HTTP\/1\.1 404 /);
  await port.challenge.withdraw(proof);
  assert.match(await look(PATH), /^HTTP\/1\.1 404 /);
});

Deno.test("everything else is sent on to https, and nothing is served", async () => {
  await using port = await open("https://provider.test:8443/");
  const cases: [string, RegExp][] = [
    [
      "GET /a?b=1 HTTP/1.1\r\nHost: provider.test",
      /308 [^]*location: https:\/\/provider\.test:8443\/a\?b=1\r/i,
    ],
    [
      "POST /CID HTTP/1.1\r\nHost: cid.provider.test:80\r\nContent-Length: 0",
      /308 [^]*https:\/\/cid\.provider\.test:8443\/CID/,
    ],
    [
      "GET / HTTP/1.1\r\nHost: evil.test/@x",
      /308 [^]*location: https:\/\/provider\.test:8443\/\r/i,
    ],
    ["GET / HTTP/1.1\r\nHost: [::1]", /308 [^]*location: https:\/\/provider\.test:8443\/\r/i],
    ["GET http://other.test/ HTTP/1.1\r\nHost: other.test", /^HTTP\/1\.1 400 /],
  ];
  for (const [head, expected] of cases) assert.match(await port.ask(head), expected, head);
  assert.doesNotMatch(await port.ask("\x16\x03\x01 no HTTP"), /200/);
});

Deno.test("those who say nothing keep no CA out, however many they are", async () => {
  await using port = await open();
  await using stack = new AsyncDisposableStack();
  const silent: RawSocket[] = [];
  for (let count = 0; count < CHALLENGE_CONNECTIONS_MAX; count++) {
    silent.push(stack.use(await connect(port.url)));
  }
  const proof = { name: "provider.test", token: TOKEN, keyAuthorization: "token.thumbprint" };
  await port.challenge.present(proof, signal);
  assert.match(await port.ask(`GET ${PATH} HTTP/1.1\r\nHost: provider.test`), /^HTTP\/1\.1 200 /);
  assert.equal(await silent[0]!.readAll(), "", "the one that was there longest has gone");
  await silent[1]!.write("GET / HTTP/1.1\r\nHost: provider.test\r\n\r\n");
  assert.match(await silent[1]!.readAll(), /^HTTP\/1\.1 308 /, "the others stay");
});

Deno.test("a port that is taken is told by its setting", async () => {
  await using port = await open();
  const place = `127.0.0.1:${port.challenge.address()!.port}`;
  const second = httpChallenge({ place, webDomain: "https://a.test", log: hearLog().log });
  await assert.rejects(second.open(), { code: "invalid_config", message: /somebody else has it/ });
  await second.close();
});
