/** Who pays is what a program is told, and nobody else can tell it: by the wire, for real. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { allow, deposit } from "../lib/chain/escrow.ts";
import { parseUsdc } from "../lib/chain/usdc.ts";
import { parseServerTiming } from "../lib/server_timing.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { LOCALHOST_CERT, LOCALHOST_KEY } from "../worlds/localhost_certificate.ts";
import { startMarket } from "../worlds/market.ts";
import { say } from "../worlds/wire.ts";

/** Arguments and variables, one a line; `-H` arguments begin with "H ". */
const MIRROR = `#!/bin/sh
[ -n "$GATEWAY_INTERFACE" ] && [ $# = 0 ] && printf 'Content-Type: text/plain\\n\\n'
while [ $# -gt 0 ]; do [ "$1" = -H ] && printf 'H %s\\n' "$2"; shift; done
env
cat >/dev/null
`;

/** As strangers spell it; in HTTP/1.1 also with what no name may hold. */
const SPELLINGS = [
  "Khachapuri-Payer",
  "KHACHAPURI-PAYER",
  "khachapuri-payer",
  "Khachapuri_Payer",
  "KHACHAPURI_PAYER",
  "khachapuri.payer",
  "kHaChApUrI_pAyEr",
  "HTTP-Khachapuri-Payer",
];
const FORGED = "0x00000000000000000000000000000000000Baad1";

/** What a program was told of its payer: the arguments, then the variables. */
function told(text: string): string[] {
  return text.split(/\r?\n/).filter((line) =>
    /^(?:H khachapuri|(?:HTTP_)?KHACHAPURI\w*=)/i.test(line)
  ).sort();
}

const toldOf = (address: string, kind: string) => [
  ...(kind === "curl" ? [`H khachapuri-payer: ${address}`] : []),
  `KHACHAPURI_PAYER=${address}`,
];

const lines = (fields: Iterable<readonly [string, string]>) =>
  Array.from(fields, ([name, value]) => `${name}: ${value}\r\n`).join("");

Deno.test("a program is told whose permit pays for its call, by nobody but the provider", async (t) => {
  const settings = { settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 } };
  await using market = await startMarket({ settings });
  const { payer, stranger, deployer, owner } = market.accounts;
  const cids = {
    curl: await market.deploy({ files: { main: MIRROR } }),
    cgi: await market.deploy({ files: { main: MIRROR }, fields: { interface: "cgi" } }),
  };
  const forgeries = SPELLINGS.map((name) => [name, FORGED] as const);

  for (const [kind, cid] of Object.entries(cids)) {
    const send = async (fields: Iterable<readonly [string, string]>, body = "") => {
      const head = `POST /${cid} HTTP/1.1\r\nHost: provider.test\r\nConnection: close\r\n`;
      return await say(market.provider.url, `${head}${lines(fields)}${body || "\r\n"}`);
    };

    await t.step(`${kind}: a caller's permit is a proof, whatever else is sent`, async () => {
      const paid = Object.entries(await market.pay(payer));
      const plain = await send(paid);
      assert.match(plain, /^HTTP\/1\.1 200/);
      assert.deepEqual(told(plain), toldOf(payer.address, kind));
      const forged = await send([...forgeries, ...paid, ...forgeries]);
      assert.match(forged, /^HTTP\/1\.1 200/);
      assert.deepEqual(told(forged), toldOf(payer.address, kind));
      // One of them is another name, which goes through: the others were dropped, not all.
      assert.match(forged, new RegExp(`^HTTP_HTTP_KHACHAPURI_PAYER=${FORGED}`, "m"));
    });

    await t.step(`${kind}: nobody is named when the owner pays`, async () => {
      const forged = await send(forgeries);
      assert.match(forged, /^HTTP\/1\.1 200/);
      assert.deepEqual(told(forged), []);
      // Nor by who asks for the provider's own field to be dropped.
      const dropped = await send([["Connection", "khachapuri-payer"]]);
      assert.match(dropped, /^HTTP\/1\.1 200/);
      assert.deepEqual(told(dropped), []);
    });

    await t.step(`${kind}: nobody is named by a trailer, nor by a name with a space`, async () => {
      const chunked = [["Transfer-Encoding", "chunked"], ["Trailer", "Khachapuri-Payer"]] as const;
      const trailer = `\r\n1\r\na\r\n0\r\nKhachapuri-Payer: ${FORGED}\r\n\r\n`;
      const answer = await send(chunked, trailer);
      assert.match(answer, /^HTTP\/1\.1 200/);
      assert.ok(!answer.includes(FORGED));
      assert.match(await send([["Khachapuri-Payer ", FORGED]]), /^HTTP\/1\.1 400/);
    });

    await t.step(`${kind}: an owner that pays by a permit of its own lane is a payer`, async () => {
      const answer = await send(Object.entries(await market.pay(owner)));
      assert.deepEqual(told(answer), toldOf(owner.address, kind));
    });
  }

  await t.step("a pinned signer signs, and the payer is named", async () => {
    const { chain, escrow, usdc, accounts: { provider } } = market;
    const money = parseUsdc("5");
    await market.mint(stranger, money);
    await deposit(chain, stranger, escrow, usdc, money);
    const terms = { provider: provider.address, pricePerCredit: PRICE, credits: 100n };
    await allow(chain, stranger, escrow, { ...terms, signer: deployer.address });
    const headers = await market.pay(deployer, { payer: stranger.address });
    const text = await (await market.call(cids.curl, { headers })).text();
    assert.deepEqual(told(text), toldOf(stranger.address, "curl"));
  });

  await t.step("an answer that is given again is the payer's as before", async () => {
    const pay = (credits: bigint) => market.pay(payer, { credits });
    const headers = { ...await pay(90n), "idempotency-key": "once", "khachapuri_payer": FORGED };
    const first = await (await market.call(cids.curl, { headers })).text();
    const again = await market.call(cids.curl, { headers });
    assert.equal(again.headers.get("idempotency-replayed"), "true");
    assert.equal(await again.text(), first);
    assert.deepEqual(told(first), toldOf(payer.address, "curl"));
  });

  await t.step("who pays may ask where the time went, and nobody else", async () => {
    const asking = { "khachapuri-timing": "1" };
    const timed = async (cid: string, headers: Record<string, string>) => {
      const response = await market.call(cid, { headers: { ...asking, ...headers } });
      await response.body?.cancel();
      return parseServerTiming(response.headers.get("server-timing") ?? "");
    };
    const paid = await market.pay(payer);
    const cold = await timed(await market.deploy({ files: { main: MIRROR } }), paid);
    assert.deepEqual(cold.map(({ name }) => name), ["queue", "fetch", "start", "run"]);
    // One of several, as any may meet a busy moment of the machine.
    const warm = [];
    for (let nth = 0; nth < 5; nth++) warm.push(await timed(cids.curl, paid));
    const msOf = (metrics: typeof cold, wanted: string) =>
      metrics.find(({ name }) => name === wanted)!.ms;
    for (const phase of ["fetch", "start"]) {
      const [coldMs, warmMs] = [msOf(cold, phase), Math.min(...warm.map((at) => msOf(at, phase)))];
      assert.ok(coldMs > 1 && warmMs < coldMs, `${phase}: ${warmMs} of ${coldMs} ms`);
    }
    assert.equal((await timed(cids.curl, await market.pay(owner))).length, 4);
    // The owner's money, and a permit that proves nothing.
    assert.deepEqual(await timed(cids.curl, {}), []);
    const forged = await market.pay(deployer, { payer: payer.address });
    assert.deepEqual(await timed(cids.curl, forged), []);
  });

  await t.step("no spec can set what a program is told", async () => {
    const env = { KHACHAPURI_PAYER: FORGED };
    await assert.rejects(market.spec({ files: { main: MIRROR }, fields: { env } }), {
      code: "invalid_spec",
      message: /KHACHAPURI_PAYER is set by each request/,
    });
  });

  await t.step("HTTP/2 says no more than HTTP/1.1", async () => {
    const [cert, key] = [join(market.home, "cert.pem"), join(market.home, "key.pem")];
    await Deno.writeTextFile(cert, LOCALHOST_CERT);
    await Deno.writeTextFile(key, LOCALHOST_KEY, { mode: 0o600 });
    await market.restart({ tls: { cert, key } });
    const paid = Object.entries(await market.pay(payer));
    for (const [kind, cid] of Object.entries(cids)) {
      const over2 = (fields: readonly (readonly [string, string])[]) =>
        curl(`${market.provider.url}/${cid}`, fields);
      assert.deepEqual(told(await over2([...forgeries, ...paid])), toldOf(payer.address, kind));
      assert.deepEqual(told(await over2(forgeries)), []);
    }
  });
});

/** Debian's curl with HTTP/2; fails unless the answer came by that. */
async function curl(
  url: string,
  fields: readonly (readonly [string, string])[],
): Promise<string> {
  const headers = fields.flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const args = ["-q", "-s", "-k", "--http2", "-w", "\n%{http_version} %{http_code}", ...headers];
  const { stdout } = await new Deno.Command("curl", { args: [...args, url] }).output();
  const text = new TextDecoder().decode(stdout);
  assert.match(text, /\n2 200$/);
  return text;
}
