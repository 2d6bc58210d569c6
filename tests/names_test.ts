/** Names that stay while what they point to changes, through a whole provider. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import type { CidText } from "../lib/cid.ts";
import { signNameChange } from "../lib/spec/name_change.ts";
import { signOwnerRequest } from "../lib/spec/owner_request.ts";
import { askHost } from "../worlds/asked_host.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { answering, playNameServer, type Say, txt } from "../worlds/naming/name_server.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const LIMITS = { timeoutMs: 10_000, memoryMb: 128, concurrency: 8, ownerCreditsPerMinute: 6_000 };

/** Tells where it was called, and which one it is. */
const cgi = (version: string) => ({
  files: {
    main: `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s' "${version} $SERVER_NAME $SCRIPT_NAME $PATH_INFO"
`,
  },
  fields: { interface: "cgi", limits: LIMITS },
});

/** A server that takes a while for each answer. */
const server = (version: string) => ({
  files: {
    main: `#!/usr/bin/python3
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.05)
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"${version}")
    def log_message(self, *args): pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
  },
  fields: { interface: "http", limits: LIMITS },
});

/** A server that remembers how often it was called. */
const counter = {
  files: {
    main: `#!/usr/bin/python3
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
calls = 0
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global calls
        calls += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(calls).encode())
    def log_message(self, *args): pass
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
  },
  fields: { interface: "http", limits: LIMITS },
};

interface Change {
  who?: LocalAccount;
  sequence: number;
  cid: string;
}

function wanted(market: Market, label: string, { who, sequence, cid }: Change) {
  const { accounts, chain: { chainId }, escrow } = market;
  const expires = BigInt(Math.floor(Date.now() / 1_000)) + 300n;
  const change = { label, cid: cid as CidText, sequence: BigInt(sequence), expires };
  const place = { provider: accounts.provider.address, chainId, escrow };
  return signNameChange(who ?? accounts.owner, change, place);
}

async function post(market: Market, path: string, body: unknown) {
  const answer = await fetch(`${market.provider.url}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
  });
  return { status: answer.status, json: await answer.json() };
}

const point = async (market: Market, label: string, change: Change) =>
  await post(market, "/names", await wanted(market, label, change));

const textAt = async (market: Market, path: string) => await (await market.call(path)).text();

/** Instances of a deployment's server. */
async function instancesOf(market: Market, cid: string): Promise<number> {
  const { accounts, chain: { chainId }, escrow } = market;
  const { json } = await post(
    market,
    "/deployments",
    await signOwnerRequest(accounts.owner, {
      action: "deployments",
      subject: "",
      provider: accounts.provider.address,
      expires: BigInt(Math.floor(Date.now() / 1_000)) + 60n,
      chainId,
      escrow,
    }),
  );
  const row = json.deployments.find((each: { cid: string }) => each.cid === cid);
  return row?.server?.instances.length ?? 0;
}

Deno.test("a name of the register, from its first owner to a restart", async (t) => {
  await using market = await startMarket({
    settings: { settlement: BATCH, names: { perUsdc: 2 } },
  });
  const { owner, payer } = market.accounts;
  const [one, two] = [await market.deploy(cgi("one")), await market.deploy(cgi("two"))];
  const ask = (host: string, path: string, headers = {}) =>
    askHost(market.provider.url, host, path, { headers });

  await t.step("it is registered by a signature, and called in path and host", async () => {
    assert.equal((await market.call("blog/")).status, 404);
    const { status, json } = await point(market, "blog", { cid: one, sequence: 1 });
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual([json.url, json.hostUrl], [
      "http://provider.test/blog/",
      "http://blog.provider.test/",
    ]);
    assert.equal(await textAt(market, "blog/a"), "one provider.test /blog /a");
    assert.equal(await textAt(market, "blog"), "one provider.test /blog ");
    assert.equal(await textAt(market, `${one}/a`), `one provider.test /${one} /a`);
    const own = await ask("Blog.Provider.test", "/a");
    assert.equal(own.text, "one blog.provider.test  /a");
    assert.equal(own.headers.get("content-security-policy"), null);
    const below = await market.call("blog/a");
    await below.body?.cancel();
    assert.equal(below.headers.get("content-security-policy"), "sandbox");
    assert.equal((await ask("nobody.provider.test", "/")).status, 404);
    assert.equal((await market.call("healthz")).status, 200);
  });

  await t.step("nobody else moves it, and no change is made twice", async () => {
    const first = await wanted(market, "blog", { cid: one, sequence: 1 });
    const again = await post(market, "/names", first);
    assert.deepEqual([again.status, again.json.error, again.json.sequence], [
      409,
      "name_conflict",
      1,
    ]);
    const stolen = await point(market, "blog", { who: payer, cid: one, sequence: 2 });
    assert.deepEqual([stolen.status, stolen.json.error], [403, "access_denied"]);
    const others = await point(market, "mine", { who: payer, cid: one, sequence: 1 });
    assert.deepEqual([others.status, others.json.error], [403, "access_denied"]);
    const forged = await post(market, "/names", { ...first, sequence: "2", cid: two });
    assert.deepEqual([forged.status, forged.json.error], [403, "invalid_signature"]);
    assert.equal(await textAt(market, "blog/"), "one provider.test /blog /");
  });

  await t.step("an owner has as many as it allowed for, and is told what to do", async () => {
    assert.equal((await point(market, "shop", { cid: one, sequence: 1 })).status, 200);
    const { status, json } = await point(market, "third", { cid: one, sequence: 1 });
    assert.equal(status, 402);
    assert.match(json.message, /has 2 names: 1 USDC allowed here are good for 2/);
    assert.match(json.hints.join(), /khachapuri allow provider\.test --credits N/);
    assert.equal((await point(market, "shop", { cid: "", sequence: 2 })).status, 200);
    assert.equal((await market.call("shop/")).status, 404);
    assert.equal((await point(market, "third", { cid: one, sequence: 1 })).status, 200);
  });

  await t.step(
    "a call sent again under its key is the same, wherever the name points",
    async () => {
      const headers = { ...await market.pay(payer), "idempotency-key": "k1" };
      const call = async () => {
        const answer = await market.call("blog/", { headers });
        return [answer.headers.get("idempotency-replayed"), await answer.text()];
      };
      assert.deepEqual(await call(), [null, "one provider.test /blog /"]);
      assert.equal((await point(market, "blog", { cid: two, sequence: 2 })).status, 200);
      assert.deepEqual(await call(), ["true", "one provider.test /blog /"]);
      assert.equal(await textAt(market, "blog/"), "two provider.test /blog /");
      assert.equal(await textAt(market, `${one}/`), `one provider.test /${one} /`);
    },
  );

  await t.step("it is told of, with where it pointed, and is there after a restart", async () => {
    const show = async () => await (await fetch(`${market.provider.url}/names/blog`)).json();
    const before = await show();
    assert.deepEqual([before.kind, before.owner, before.cid, before.sequence], [
      "register",
      owner.address,
      two,
      2,
    ]);
    assert.deepEqual(before.history.map(({ cid }: { cid: string }) => cid), [two, one]);
    await market.restart();
    assert.deepEqual({ ...await show(), checkedAt: 0 }, { ...before, checkedAt: 0 });
    assert.equal(await textAt(market, "blog/"), "two provider.test /blog /");
  });
});

Deno.test("a name moves under load without a failed call, and what it left ends", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const [one, two] = [await market.deploy(server("one")), await market.deploy(server("two"))];
  await point(market, "blog", { cid: one, sequence: 1 });
  assert.equal(await textAt(market, "blog/"), "one");
  assert.equal(await instancesOf(market, one), 1);
  let isMoved = false;
  const answers: string[] = [];
  const callers = Array.from({ length: 4 }, async () => {
    // Each calls on until it was answered by the new one a few times.
    for (let seen = 0; seen < 5;) {
      const response = await market.call("blog/");
      const text = await response.text();
      assert.equal(response.status, 200, text);
      answers.push(text);
      if (text === "two") seen += 1;
      if (answers.length > 8 && !isMoved) {
        isMoved = true;
        assert.equal((await point(market, "blog", { cid: two, sequence: 2 })).status, 200);
        assert.equal(await textAt(market, "blog/"), "two");
      }
    }
  });
  await Promise.all(callers);
  assert.deepEqual([...new Set(answers)].sort(), ["one", "two"]);
  // It has no call any more, and would be kept for a minute otherwise.
  while (await instancesOf(market, one) > 0);
  assert.equal(await instancesOf(market, two) > 0, true);
  assert.equal(await textAt(market, one), "one");
});

Deno.test("a stranger that points a domain at a server and away leaves it alone", async () => {
  const link = { cid: "" };
  const zone: Say = (asked) => {
    const isEvil = asked.name === "_dnslink.evil.attacker.com";
    const records = isEvil ? [txt(asked.name, `dnslink=/ipfs/${link.cid}`, 15)] : [];
    return [answering(asked, records, { rcode: isEvil ? 0 : 3 })];
  };
  await using dns = await playNameServer(zone);
  let aheadMs = 0;
  await using market = await startMarket({
    settings: { settlement: BATCH, names: { resolver: `127.0.0.1:${dns.server.port}` } },
    now: () => Date.now() + aheadMs,
  });
  const [victim, other] = [await market.deploy(counter), await market.deploy(cgi("other"))];
  const show = async () => {
    const response = await fetch(`${market.provider.url}/names/evil.attacker.com`);
    return (await response.json()).cid;
  };
  assert.equal(await textAt(market, victim), "1");
  link.cid = victim;
  assert.equal(await show(), victim);
  link.cid = other;
  aheadMs += 3_600_000;
  assert.equal(await show(), other);
  assert.equal(await textAt(market, victim), "2", "what it remembers is there");
});

Deno.test("a domain of its owner's, through an outage of its name server", async () => {
  const [links, down] = [new Map<string, string>(), { is: false }];
  const zone: Say = (asked) => {
    if (down.is) return [];
    const cid = links.get(asked.name);
    const records = cid ? [txt(asked.name, `dnslink=/ipfs/${cid}`, 60)] : [];
    return [answering(asked, records, { rcode: cid ? 0 : 3 })];
  };
  await using dns = await playNameServer(zone);
  const resolver = `127.0.0.1:${dns.server.port}`;
  let aheadMs = 0;
  await using market = await startMarket({
    settings: { settlement: BATCH, names: { resolver } },
    now: () => Date.now() + aheadMs,
  });
  const [one, two] = [await market.deploy(cgi("one")), await market.deploy(cgi("two"))];
  links.set("_dnslink.www.shop.com", one);
  const ask = (host: string, path: string) => askHost(market.provider.url, host, path);

  assert.equal((await ask("WWW.Shop.com", "/a")).text, "one www.shop.com  /a");
  assert.equal((await ask("www.shop.com", "/healthz")).text, "one www.shop.com  /healthz");
  assert.equal(await textAt(market, "www.shop.com/a"), "one provider.test /www.shop.com /a");
  const { text, headers } = await ask("www.shop.com:80", "/");
  assert.equal(text, "one www.shop.com  /");
  assert.equal(headers.get("content-security-policy"), null);
  // A host that nobody has pointed here is the provider's own, as before.
  assert.equal((await ask("other.shop.com", "/healthz")).status, 200);
  assert.equal((await ask("other.shop.com", `/${one}/b`)).text, `one provider.test /${one} /b`);
  const nobodys = await market.call("other.shop.com/");
  assert.deepEqual([nobodys.status, (await nobodys.json()).error], [404, "not_found"]);
  assert.equal(dns.asked.length, 2, "each was asked once");

  // Calls were paid by it, so it is kept across restarts.
  down.is = true;
  aheadMs += 3_600_000;
  await market.restart();
  assert.equal((await ask("www.shop.com", "/")).text, "one www.shop.com  /");
  const stale = await (await fetch(`${market.provider.url}/names/www.shop.com`)).json();
  assert.deepEqual([stale.kind, stale.cid, stale.isStale], ["dnslink", one, true]);
  const unknown = await market.call("new.shop.com/");
  assert.deepEqual([unknown.status, (await unknown.json()).error], [503, "name_unavailable"]);
  down.is = false;
  links.set("_dnslink.www.shop.com", two);
  aheadMs += 60_000;
  assert.equal((await ask("www.shop.com", "/")).text, "two www.shop.com  /");
});
