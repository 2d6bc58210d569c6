/** A program that is a server, as its callers and its owner meet it: unmodified, warm, paid. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { refuses, spent } from "../worlds/refuses.ts";
import { say } from "../worlds/wire.ts";

/** Does what its path says; /mirror tells what it was sent. */
const NODE = `#!/usr/bin/node
const http = require("node:http");
const started = process.env.VERSION + " " + Date.now();
http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://server");
  if (pathname === "/mirror") {
    const { method, url, rawHeaders } = request;
    const fields = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      fields.push([rawHeaders[i].toLowerCase(), rawHeaders[i + 1]]);
    }
    response.setHeader("x-a", "caf\\u00e9");
    response.setHeader("khachapuri-credits", "0");
    response.end(Buffer.from(JSON.stringify({ method, url, fields })));
  } else if (pathname === "/echo") {
    request.pipe(response);
  } else if (pathname === "/upper") {
    request.on("data", (bytes) => response.write(bytes.toString().toUpperCase()));
    request.on("end", () => response.end());
  } else if (pathname === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let count = 0;
    const tick = () => {
      response.write("data: " + count + "\\n\\n");
      if (++count < 3) setTimeout(tick, 20);
      else response.end();
    };
    tick();
  } else if (pathname === "/login") {
    response.writeHead(302, { location: "/mirror" }).end();
  } else if (pathname === "/started") {
    response.setHeader("content-length", started.length).end(started);
  } else if (pathname === "/sleep") {
    response.flushHeaders();
  } else if (pathname === "/crash") {
    process.exit(7);
  } else response.writeHead(404).end("no such thing\\n");
}).listen(process.env.PORT, "127.0.0.1");
`;

const LIMITS = { timeoutMs: 2_000, memoryMb: 512, concurrency: 8, ownerCreditsPerMinute: 600 };
const FIELDS = { interface: "http", limits: LIMITS, env: { VERSION: "one" } };

interface Mirrored {
  method: string;
  url: string;
  fields: [string, string][];
}

const valueOf = ({ fields }: Mirrored, wanted: string) =>
  fields.find(([name]) => name === wanted)?.[1] ?? null;

async function chargedFor(
  market: Market,
  who: "owner" | "payer",
  work: () => Promise<unknown>,
): Promise<bigint> {
  const account = market.accounts[who];
  const before = await spent(market, account);
  await work();
  return await spent(market, account) - before;
}

eachLauncher("an unmodified Node server is called as any gateway calls it", async (sandbox, t) => {
  await using market = await startMarket({ settings: { sandbox } });
  const cid = await market.deploy({ files: { main: NODE }, fields: FIELDS });
  const path = (rest: string) => `${cid}${rest}`;

  await t.step("it is told who asks, where, and who pays; nothing of the payment", async () => {
    const cost = await chargedFor(market, "payer", async () => {
      const headers = {
        ...await market.pay(market.accounts.payer),
        "x-b": "1",
        "x-forwarded-for": "10.0.0.1",
        forwarded: "for=10.0.0.1",
        "khachapuri-payer": "0x1",
        te: "trailers",
      };
      const response = await market.call(path("/mirror?q=%20"), { headers });
      const told: Mirrored = await response.json();
      assert.deepEqual([told.method, told.url], ["GET", "/mirror?q=%20"]);
      assert.equal(valueOf(told, "khachapuri-payer"), market.accounts.payer.address);
      assert.equal(valueOf(told, "x-forwarded-for"), "127.0.0.1");
      assert.equal(valueOf(told, "x-forwarded-prefix"), `/${cid}`);
      const host = new URL(market.provider.url).host;
      assert.equal(valueOf(told, "host"), host);
      assert.equal(valueOf(told, "x-forwarded-host"), host);
      assert.equal(valueOf(told, "forwarded"), `for=127.0.0.1;host="${host}";proto=http`);
      assert.equal(valueOf(told, "x-b"), "1");
      assert.equal(valueOf(told, "via"), "1.1 khachapuri");
      assert.equal(valueOf(told, "x-request-id"), response.headers.get("x-request-id"));
      assert.equal(valueOf(told, "payment-signature"), null);
      assert.equal(valueOf(told, "te"), null);
      assert.equal(response.headers.get("x-a"), "caf\u00e9");
      assert.equal(response.headers.get("khachapuri-credits"), null);
      assert.match(response.headers.get("khachapuri-receipt") ?? "", /^\/receipts\//);
    });
    assert.equal(cost, 1n);
  });

  await t.step("what the owner pays for names no payer", async () => {
    const cost = await chargedFor(market, "owner", async () => {
      const told: Mirrored = await (await market.call(path("/mirror"))).json();
      assert.equal(valueOf(told, "khachapuri-payer"), null);
    });
    assert.equal(cost, 1n);
  });

  await t.step("one server answers all calls", async () => {
    const started = async () => await (await market.call(path("/started"))).text();
    assert.equal(await started(), await started());
  });

  await t.step("bodies go both ways as they come, of a known length or not", async () => {
    const sent = "x".repeat(300_000);
    const known = await market.call(path("/echo"), { method: "POST", body: sent });
    assert.equal(await known.text(), sent);
    const words = new TransformStream<string, string>();
    const writer = words.writable.getWriter();
    const body = words.readable.pipeThrough(new TextEncoderStream());
    const answering = market.call(path("/upper"), { method: "POST", body });
    await writer.write("one ");
    const response = await answering;
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, "ONE ", "before the body has ended");
    await writer.write("two");
    await writer.close();
    assert.equal((await reader.read()).value, "TWO");
    assert.ok((await reader.read()).done);
  });

  await t.step("events come as they are sent", async () => {
    const response = await market.call(path("/events"));
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(await response.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  });

  await t.step("an answer to HEAD has the head alone, and its length", async () => {
    const head = `HEAD /${cid}/started HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const answer = await say(market.provider.url, head);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /^content-length: 17\r$/im);
    assert.ok(answer.endsWith("\r\n\r\n"));
  });

  await t.step("a redirect leads below the deployment, and other statuses pass", async () => {
    const login = await market.call(path("/login"), { redirect: "manual" });
    await login.body?.cancel();
    assert.equal(login.headers.get("location"), `/${cid}/mirror`);
    const none = await market.call(path("/none"));
    assert.deepEqual([none.status, await none.text()], [404, "no such thing\n"]);
  });
});

eachLauncher("a request that fails takes nobody else's with it", async (sandbox, t) => {
  await using market = await startMarket({ settings: { sandbox } });
  const cid = await market.deploy({ files: { main: NODE }, fields: FIELDS });

  await t.step("one that outlives its time costs a credit, and others go on", async () => {
    const cost = await chargedFor(market, "owner", async () => {
      const late = market.call(`${cid}/sleep`);
      const other = await market.call(`${cid}/events`);
      assert.match(await other.text(), /data: 2/);
      const { error } = await (await late).json();
      assert.deepEqual([(await late).status, error], [504, "program_timeout"]);
    });
    assert.equal(cost, 2n);
  });

  await t.step(
    "a crash is 502 to those in flight, charged, and the next call starts anew",
    async () => {
      const started = async () => await (await market.call(`${cid}/started`)).text();
      const before = await started();
      const cost = await chargedFor(market, "owner", async () => {
        const response = await market.call(`${cid}/crash`);
        const { error, message } = await response.json();
        assert.deepEqual([response.status, error], [502, "program_failed"]);
        assert.match(message, /exit code 7|exited with 7/);
      });
      assert.equal(cost, 1n);
      assert.notEqual(await started(), before);
    },
  );
});

eachLauncher(
  "a server that does not start costs its owner a credit and no caller",
  async (sandbox) => {
    // With "each", what is released after it was mined would be the next call's.
    const settlement = { mode: "batch" };
    await using market = await startMarket({ settings: { sandbox, settlement } });
    const files = { main: "#!/bin/sh\necho no such module >&2\nexit 3\n" };
    const cid = await market.deploy({ files, fields: FIELDS });
    const headers = await market.pay(market.accounts.payer);
    const before = await spent(market, market.accounts.owner);
    const calls = [market.call(cid, { headers }), market.call(cid), market.call(cid)];
    for (const call of calls) {
      const response = await call;
      const { error, message } = await response.json();
      assert.deepEqual([response.status, error], [502, "program_failed"]);
      assert.match(message, /exit code 3|exited with 3/);
    }
    // The charge goes its own way; it is made, and settled, when the provider has stopped.
    await market.restart();
    assert.equal(await spent(market, market.accounts.payer), 0n);
    assert.equal(await spent(market, market.accounts.owner) - before, 1n);
  },
);

eachLauncher("Python's own server is called as it is", async (sandbox) => {
  await using market = await startMarket({ settings: { sandbox } });
  const files = {
    main: "#!/bin/sh\ncd public && exec python3 -m http.server $PORT --bind 127.0.0.1\n",
    "public/a.txt": "hello\n",
  };
  const cid = await market.deploy({ files, fields: FIELDS });
  const response = await market.call(`${cid}/a.txt`);
  assert.equal(await response.text(), "hello\n");
  assert.match(response.headers.get("server") ?? "", /SimpleHTTP/);
  const post = await market.call(`${cid}/a.txt`, { method: "POST", body: "x" });
  assert.equal(post.status, 501, "its own answer");
  await post.body?.cancel();
});

eachLauncher("a new deployment under the same id takes the old one's place", async (sandbox) => {
  await using market = await startMarket({ settings: { sandbox } });
  const program = { files: { main: NODE }, fields: FIELDS };
  const spec = await market.spec(program);
  const first = await market.publishSpec(spec);
  const second = await market.publishSpec({ ...spec, env: { VERSION: "two" } });
  const started = async (cid: string) => await (await market.call(`${cid}/started`)).text();
  const before = await started(first);
  assert.match(before, /^one /);
  assert.match(await started(second), /^two /);
  const again = await started(first);
  assert.match(again, /^one /);
  assert.notEqual(again, before, "the old one's server had ended");
});

eachLauncher("an upgrade that is to be kept under a key is refused for free", async (sandbox) => {
  await using market = await startMarket({ settings: { sandbox } });
  const cid = await market.deploy({ files: { main: NODE }, fields: FIELDS });
  const paid = await market.pay(market.accounts.payer);
  const fields = Object.entries({
    ...paid,
    host: "a",
    connection: "upgrade, close",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "idempotency-key": "one",
  }).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const answer = await say(market.provider.url, `GET /${cid}/echo HTTP/1.1\r\n${fields}\r\n`);
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.match(answer, /invalid_input/);
  assert.equal(await spent(market, market.accounts.payer), 0n);
});

eachLauncher("a provider without room for servers says so, for free", async (sandbox) => {
  await using market = await startMarket({ settings: { sandbox: { ...sandbox, instances: 0 } } });
  const cid = await market.deploy({ files: { main: NODE }, fields: FIELDS });
  await refuses(market, market.call(cid), 422, "invalid_spec");
});
