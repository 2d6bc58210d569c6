/** What callers put into a request's head so that its server takes it for the provider's word. */
import assert from "node:assert/strict";
import { startMarket } from "../../worlds/market.ts";
import { say as exchange } from "../../worlds/wire.ts";
import { deployServer } from "./server_stage.ts";

/** By what a framework that makes variables of names would take for the same. */
const variable = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "_");

/** Names that the provider alone may say, or that nobody but it may see. */
const OURS = [
  "Khachapuri-Payer",
  "Khachapuri-Receipt",
  "PAYMENT-SIGNATURE",
  "X-Payment",
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Prefix",
  "X-Real-IP",
  "Forwarded",
];

/** As other proxies, shells and frameworks would read it. */
function spellings(name: string): string[] {
  const underscored = name.replaceAll("-", "_");
  const mixed = name.replace("-", "_");
  return [name, name.toLowerCase(), name.toUpperCase(), underscored, mixed, `${mixed}_`, `_${name}`]
    .concat(name.replaceAll("-", "."), name.replaceAll("-", "--"));
}

/** Sends a head as it stands; returns what the server was told, or the status of who refused. */
async function told(url: string, cid: string, ...fields: string[]): Promise<string | number> {
  const head = [`GET /${cid}/tell HTTP/1.1`, "Host: provider.test", "Connection: close", ...fields];
  const answer = await exchange(url, `${head.join("\r\n")}\r\n\r\n`);
  const status = Number(answer.slice(9, 12));
  return status === 200 ? answer.slice(answer.indexOf("\r\n\r\n") + 4) : status;
}

const EVIL = "evil-8.8.8.8";

Deno.test("no spelling of the provider's own fields comes through to a server", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const { provider: { url } } = market;
  const { cid } = await deployServer(market);
  // The control: what a caller says of itself does come through.
  assert.match(String(await told(url, cid, `X-Own_name: ${EVIL}`)), /^x-own_name: evil-8/m);
  for (const name of OURS) {
    for (const spelled of spellings(name)) {
      const head = await told(url, cid, `${spelled}: ${EVIL}`);
      if (typeof head === "number") continue;
      const same = head.split("\r\n").filter((line) => line.includes(EVIL))
        .map((line) => line.split(":")[0]!)
        .filter((line) => variable(line) === variable(name));
      assert.deepEqual(same, [], `${spelled} came through`);
    }
  }
  // A payment that is none is refused by itself.
  const said = OURS.filter((name) => !/payment/i.test(name));
  const head = String(await told(url, cid, ...said.map((name) => `${name}: ${EVIL}`)));
  assert(!head.includes(EVIL), head);
  assert.equal(head.match(/^x-forwarded-for: .*$/gm)?.join(), "x-forwarded-for: 127.0.0.1");
  assert.match(head, /^x-forwarded-host: provider\.test$/m);
  assert.match(head, /^forwarded: for=127\.0\.0\.1;host=provider\.test;proto=http$/m);
  assert.doesNotMatch(head, /khachapuri-payer/i);
});

Deno.test("the payer is who has paid, whatever a caller says beside it", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const { provider: { url }, accounts: { payer } } = market;
  const { cid } = await deployServer(market);
  const [field] = Object.entries(await market.pay(payer));
  const head = String(
    await told(
      url,
      cid,
      `${field![0]}: ${field![1]}`,
      "Khachapuri_Payer: 0x1",
      "khachapuri-payer: 0x2",
    ),
  );
  assert.deepEqual(head.match(/^.*payer.*$/gim), [`khachapuri-payer: ${payer.address}`]);
  assert(!head.includes(field![1]), "a permit is as good as money");
});

/** Heads of which two readers could make two requests, or drop what the provider says. */
const SMUGGLED: readonly (readonly string[])[] = [
  ["Connection: x-forwarded-for, x-forwarded-host, forwarded"],
  ["Connection: khachapuri-payer, host, via, x-request-id"],
  ["Connection: content-length", "Content-Length: 0"],
  ["Proxy-Connection: keep-alive", "Keep-Alive: 5", "TE: trailers, gzip"],
  ["Content-Length: 5", "Transfer-Encoding: chunked"],
  ["Content-Length: 5", "Content-Length: 6"],
  ["Content_Length: 50"],
  ["Transfer_Encoding: chunked"],
  ["Transfer-Encoding: xchunked"],
  ["Transfer-Encoding : chunked"],
  ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
  ["X: a\r\n Transfer-Encoding: chunked"],
  ["X: a\nTransfer-Encoding: chunked"],
  ["X: a\rTransfer-Encoding: chunked"],
  ["Host: evil.example"],
  ["Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "Connection: upgrade, http2-settings"],
];

Deno.test("fields of connection and framing are the provider's own towards a server", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const { provider: { url } } = market;
  const { cid } = await deployServer(market);
  for (const fields of SMUGGLED) {
    const about = JSON.stringify(fields);
    const head = await told(url, cid, ...fields);
    if (typeof head === "number") {
      assert(head === 400 || head === 501, `${about}: ${head}`);
      continue;
    }
    assert.match(head, /^x-forwarded-for: 127\.0\.0\.1$/m, about);
    assert.match(head, /^forwarded: for=127/m, about);
    assert.match(head, /^host: provider\.test$/m, about);
    assert.match(head, /^via: 1\.1 khachapuri$/m, about);
    const framing =
      /^(transfer.encoding|te|keep-alive|proxy-connection|upgrade|http2-settings)\b/im;
    assert.doesNotMatch(head, framing, about);
    assert.doesNotMatch(head, /^content.length: [^0]/im, about);
  }
});
