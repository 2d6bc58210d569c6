/** WebSockets to a program that is a server: open for as long as they are paid for. */
import assert from "node:assert/strict";
import { connect as connectNode } from "node:net";
import type { Hex } from "viem";
import { pause } from "../lib/pause.ts";
import { type Receipt, receiptFromJson } from "../lib/receipt.ts";
import { signStop } from "../lib/spec/stop.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { handshake } from "../worlds/played_tunnel.ts";
import { eachLauncher, type Launcher } from "../worlds/sandbox/launchers.ts";
import { connect, type RawSocket } from "../worlds/wire.ts";

/** Agrees to every handshake, and says back what it hears, but for some words. */
const SERVER = `#!/usr/bin/node
const { createServer } = require("node:http");
const open = new Set();
const asking = [];
const tell = () => {
  if (open.size === 0) asking.splice(0).forEach((response) => response.end("0 open"));
};
createServer((request, response) => {
  if (request.url !== "/none") return response.end(open.size + " open");
  asking.push(response);
  tell();
}).on("upgrade", (request, socket, head) => {
  const agreed = ["101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
  if (request.url === "/no") {
    return socket.end("HTTP/1.1 403 No\\r\\nContent-Length: 2\\r\\n\\r\\nno");
  }
  socket.write("HTTP/1.1 " + agreed.join("\\r\\n") + "\\r\\nSec-WebSocket-Accept: yes\\r\\n\\r\\n");
  open.add(socket);
  const hear = (bytes) => {
    const words = bytes.length < 9 ? bytes.toString() : "";
    if (words === "bye") socket.end("goodbye");
    else if (words === "die") process.exit(7);
    else if (words === "tick") ticks = setInterval(() => socket.write("."), 100);
    else socket.write(bytes);
  };
  let ticks;
  socket.on("data", hear).on("end", () => socket.end()).on("error", () => {}).on("close", () => {
    clearInterval(ticks);
    open.delete(socket);
    tell();
  });
  if (head.length > 0) hear(head);
}).listen(process.env.PORT, "127.0.0.1");
`;

const CREDIT_MS = 1_500;
const LIMITS = { timeoutMs: CREDIT_MS, memoryMb: 512, ownerCreditsPerMinute: 600 };
/** One slot, one seat: neither is taken by what is open. */
const FIELDS = {
  interface: "http",
  server: { instances: 1, concurrency: 1 },
  limits: { ...LIMITS, concurrency: 1, credits: 3 },
};
const SETTINGS = {
  settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50 },
  sandbox: { credits: 10 },
};

async function openMarket(sandbox: Launcher) {
  const settings = { ...SETTINGS, sandbox: { ...SETTINGS.sandbox, ...sandbox } };
  const market = await startMarket({ settings });
  const spec = await market.spec({ files: { main: SERVER }, fields: FIELDS });
  return { market, spec, cid: await market.publishSpec(spec) };
}

/** A WebSocket, and what its payer is owed. */
interface Open extends AsyncDisposable {
  readonly socket: RawSocket;
  readonly head: string;
  /** What is said up to a mark. */
  until(mark: string): Promise<string>;
  /** All that is said from then on. */
  rest(): Promise<string>;
  /** Credits charged for it so far. */
  charged(): number;
  receipt(): Promise<Receipt>;
}

let lanes = 0;

/** @param ahead sent right behind the handshake */
async function open(market: Market, cid: string, credits = 10n, ahead = ""): Promise<Open> {
  lanes += 1;
  const lane: Hex = `0x${String(10 + lanes).repeat(32)}`;
  const paid = await market.pay(market.accounts.payer, { lane, credits });
  const socket = await connect(market.provider.url);
  await socket.write(handshake(`/${cid}/`, paid) + ahead);
  const begin = await socket.readUntil("\r\n\r\n");
  const head = begin.slice(0, begin.indexOf("\r\n\r\n") + 2);
  let early = begin.slice(head.length + 2);
  const charged = () => market.entries({ lane }).filter(({ kind }) => kind === "charge").length;
  return {
    socket,
    head,
    async until(mark) {
      while (!early.includes(mark)) {
        early += await socket.read() ?? assert.fail(`it ended after ${early.length}`);
      }
      const end = early.indexOf(mark) + mark.length;
      const text = early.slice(0, end);
      early = early.slice(end);
      return text;
    },
    rest: async () => early + await socket.readAll(),
    charged,
    async receipt() {
      const [, path] = /^khachapuri-receipt: (.*)\r$/im.exec(head) ?? [];
      await untilTrue("a charge", () => charged() > 0);
      let response = await fetch(market.provider.url + path);
      for (; response.status !== 200; response = await fetch(market.provider.url + path)) {
        assert.equal(response.status, 404, await response.text());
        await pause(10);
      }
      return receiptFromJson(await response.json());
    },
    [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
  };
}

async function untilTrue(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 15_000;
  while (!await isTrue()) {
    assert.ok(Date.now() < until, `${what}: it does not come`);
    await pause(10);
  }
}

/** What came of it: how it ended, for how many credits. */
async function outcomeOf(opened: Open): Promise<[string, number, number]> {
  const receipt = await opened.receipt();
  assert.ok("credits" in receipt);
  return [receipt.outcome, receipt.credits, opened.charged()];
}

const text = async (response: Promise<Response>) => await (await response).text();

/** States of the only instance. */
async function stateOf({ provider }: Market): Promise<string | null> {
  const metrics = await text(fetch(`${provider.url}/metrics`));
  return /^khachapuri_instances\{state="(\w+)"\} 1$/m.exec(metrics)?.[1] ?? null;
}

eachLauncher("a WebSocket is open, and takes nobody's place", async (sandbox, t) => {
  const { market, cid } = await openMarket(sandbox);
  await using _market = market;

  await t.step("bytes go both ways, from the first behind the handshake", async () => {
    await using opened = await open(market, cid, 10n, "at once");
    const { socket, head } = opened;
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.match(head, /^sec-websocket-accept: yes\r$/m);
    assert.match(head, /^khachapuri-credits: 1\r$/im);
    await opened.until("at once");
    const much = "x".repeat(300_000) + "!";
    const sent = socket.write(much);
    assert.equal((await opened.until("!")).length, much.length);
    await sent;
  });

  await t.step("others are answered meanwhile, in the one slot and the one seat", async () => {
    await using _one = await open(market, cid);
    await using _two = await open(market, cid);
    assert.equal(await text(market.call(cid)), "2 open");
  });

  await t.step("a handshake that is declined is an answer as any", async () => {
    await using socket = await connect(market.provider.url);
    await socket.write(handshake(`/${cid}/no`));
    assert.match(await socket.readAll(), /^HTTP\/1\.1 403 [^]*\r\n\r\nno$/);
  });

  await t.step("a page of the provider's own is a page, and no WebSocket", async () => {
    await using socket = await connect(market.provider.url);
    await socket.write(handshake("/healthz"));
    const answer = await socket.readAll();
    assert.match(answer, /^HTTP\/1\.1 200 [^]*"ok": true/);
    assert.doesNotMatch(answer, /^upgrade:/im);
  });

  await t.step("its server works while it is open, and stands still when it is not", async () => {
    await untilTrue("its standing still", async () => await stateOf(market) === "frozen");
    await using opened = await open(market, cid, 10n, "tick");
    await opened.until(".......");
    assert.equal(await stateOf(market), "awake");
    await opened.socket.closeWrite();
    await untilTrue("its standing still", async () => await stateOf(market) === "frozen");
  });
});

eachLauncher("a WebSocket is paid for, credit by credit", async (sandbox, t) => {
  const { market, cid } = await openMarket(sandbox);
  await using _market = market;
  // It starts for nobody's money.
  assert.equal(await text(market.call(cid)), "0 open");

  await t.step("it is closed when its last credit's time is over", async () => {
    const begunAt = performance.now();
    await using opened = await open(market, cid, 10n, "here");
    assert.equal(await opened.rest(), "here");
    const lastedMs = performance.now() - begunAt;
    assert.ok(lastedMs >= 3 * CREDIT_MS && lastedMs < 4 * CREDIT_MS, `${lastedMs} ms`);
    assert.deepEqual(await outcomeOf(opened), ["timeout", 3, 3]);
    assert.equal(await text(market.call(`${cid}/none`)), "0 open");
  });

  await t.step("it is closed when its permit is used up", async () => {
    const begunAt = performance.now();
    await using opened = await open(market, cid, 2n);
    assert.equal(await opened.rest(), "");
    const lastedMs = performance.now() - begunAt;
    assert.ok(lastedMs >= 2 * CREDIT_MS && lastedMs < 3 * CREDIT_MS, `${lastedMs} ms`);
    assert.deepEqual(await outcomeOf(opened), ["timeout", 2, 2]);
  });

  await t.step("who ends it well has been answered, for what has begun", async () => {
    await using opened = await open(market, cid, 10n, "tick");
    // Into its second credit.
    await opened.until(".".repeat(CREDIT_MS / 100 + 2));
    await opened.socket.closeWrite();
    assert.equal(await text(market.call(`${cid}/none`)), "0 open");
    assert.deepEqual(await outcomeOf(opened), ["answered", 2, 2]);
  });

  await t.step("so has who is told goodbye", async () => {
    await using opened = await open(market, cid, 10n, "bye");
    assert.equal(await opened.rest(), "goodbye");
    assert.deepEqual(await outcomeOf(opened), ["answered", 1, 1]);
  });

  await t.step("who is gone without a word pays for what has begun", async () => {
    const { port } = new URL(market.provider.url);
    const paid = await market.pay(market.accounts.payer, { lane: `0x${"a1".repeat(32)}` });
    const socket = connectNode(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(handshake(`/${cid}/`, paid));
    await new Promise((said) => socket.once("data", said));
    socket.resetAndDestroy();
    assert.equal(await text(market.call(`${cid}/none`)), "0 open");
    const ofLane = () => market.entries({ lane: `0x${"a1".repeat(32)}` });
    await untilTrue("the charge", () => ofLane().some(({ kind }) => kind === "charge"));
    assert.equal(ofLane().filter(({ kind }) => kind === "charge").length, 1);
  });

  await t.step("a server that dies has failed", async () => {
    await using opened = await open(market, cid, 10n, "die");
    assert.equal(await opened.rest(), "");
    assert.deepEqual(await outcomeOf(opened), ["failed", 1, 1]);
  });
});

eachLauncher("a WebSocket ends with its deployment and its provider", async (sandbox, t) => {
  const { market, spec, cid } = await openMarket(sandbox);
  await using _market = market;
  const { owner, provider } = market.accounts;

  await t.step("a provider that shuts down closes it, and takes nothing for the rest", async () => {
    await using opened = await open(market, cid, 10n, "tick");
    await opened.until(".");
    const restarted = market.restart();
    await opened.rest();
    await restarted;
    assert.equal(opened.charged(), 1);
  });

  await t.step("an owner that stops its deployment has it closed", async () => {
    await using opened = await open(market, cid, 10n, "here");
    await opened.until("here");
    const { chain, escrow } = market;
    const at = { provider: provider.address, chainId: chain.chainId, escrow };
    const signature = await signStop(owner, { id: spec.id, ...at });
    const body = JSON.stringify({ cid, signature });
    const stopped = await fetch(`${market.provider.url}/stop`, { method: "POST", body });
    assert.equal(stopped.status, 200, await stopped.text());
    await opened.rest();
    await untilTrue("its end", async () => await stateOf(market) === null);
    assert.equal(opened.charged(), 1);
  });
});
