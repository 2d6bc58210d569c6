/**
 * SIGTERM to a provider whose deployments are servers: what is under way ends in order and is paid,
 * what has no end is ended, and within the grace all of it is gone.
 */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import { assertNothingLeft, programMarker, whatThereIs } from "../worlds/left_of_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { handshake } from "../worlds/played_tunnel.ts";

const CREDIT_MS = 4_000;
/** The provider's own limit: runs get so long to end, and a little more (call/paid_time.ts). */
const PROVIDER_MS = 6_000;
/** From SIGTERM to SIGKILL of instances (SERVER_STOP_TIMEOUT_MS), and what slow machines take. */
const MORE_MS = 20_000;

async function deploy(market: Market, marker: string, isStubborn: boolean): Promise<string> {
  const main = await Deno.readTextFile(new URL("../worlds/lasting_server.py", import.meta.url));
  const spec = await market.spec({
    files: { main },
    fields: {
      interface: "http",
      limits: {
        timeoutMs: CREDIT_MS,
        memoryMb: 128,
        concurrency: 16,
        ownerCreditsPerMinute: 600,
        credits: 100,
      },
    },
  });
  spec.program.args.push(marker, ...isStubborn ? ["stubborn"] : []);
  return await market.publishSpec(spec);
}

/** Resolves once as many instances stand still. */
async function untilFrozen(url: string, count: number): Promise<void> {
  const frozen = `khachapuri_instances{state="frozen"} ${count}\n`;
  const metrics = `${url.replace("127.0.0.1", "localhost")}/metrics`;
  while (!(await (await fetch(metrics)).text()).includes(frozen));
}

interface Caller {
  lane: Hex;
  headers: Record<string, string>;
}

async function callerOf(market: Market, digits: number): Promise<Caller> {
  const lane: Hex = `0x${String(digits).repeat(32)}`;
  return { lane, headers: await market.pay(market.accounts.payer, { lane, credits: 100n }) };
}

/** An answer whose first half has come. */
async function beginAnswer(url: string, { headers }: Caller) {
  const response = await fetch(url, { headers });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "hel");
  return reader;
}

type Reader = Awaited<ReturnType<typeof beginAnswer>>;

async function restOf(reader: Reader): Promise<string> {
  let text = "";
  for (let part; !(part = await reader.read()).done;) text += part.value;
  return text;
}

async function openTunnel(url: string, cid: string, { headers }: Caller): Promise<Deno.Conn> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(handshake(`/${cid}`, headers)));
  let head = "";
  const bytes = new Uint8Array(1_000);
  while (!head.endsWith("\r\n\r\n")) {
    head += new TextDecoder().decode(bytes.subarray(0, await connection.read(bytes) ?? 0));
  }
  assert.match(head, /^HTTP\/1\.1 101 /);
  return connection;
}

/** Whether what was asked for on a lane was charged, and nothing is held any more. */
function creditsOf(market: Market, { lane }: Caller) {
  const kinds = market.entries({ lane }).map(({ kind }) => kind);
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  assert.equal(count("reserve"), count("charge") + count("release"));
  return count("charge");
}

async function stopTimed(child: ChildProvider): Promise<number> {
  const begun = performance.now();
  assert.equal(await child.stop(), 0);
  return performance.now() - begun;
}

Deno.test("SIGTERM ends servers in order, with all that goes on in them", async () => {
  const settlement = { mode: "batch", intervalSeconds: 1, pollMs: 100 };
  const sandbox = { timeoutMs: PROVIDER_MS };
  await using market = await startMarket({ settings: { settlement, sandbox } });
  const { home } = market;
  const marker = programMarker();
  const [busy, still, stubborn] = [
    await deploy(market, marker, false),
    await deploy(market, marker, false),
    await deploy(market, marker, true),
  ];
  const [whole, endless, talker] = [
    await callerOf(market, 41),
    await callerOf(market, 42),
    await callerOf(market, 43),
  ];
  await market.provider.stop();
  const child = await startChildProvider(home);
  try {
    const url = (await child.url)!;
    for (const cid of [still, stubborn]) {
      assert.equal(await (await fetch(`${url}/${cid}`)).text(), "hello\n");
    }
    await untilFrozen(url, 2);
    const request = await beginAnswer(`${url}/${busy}?2`, whole);
    const stream = await beginAnswer(`${url}/${busy}?3600`, endless);
    using tunnel = await openTunnel(url, busy, talker);
    const there = await whatThereIs({ home, marker });
    assert.equal(there.sockets, 3);
    assert.ok(there.programs >= 3 && there.supervisors >= 3);
    const stopped = stopTimed(child);
    assert.equal(await restOf(request), "lo\n");
    await assert.rejects(restOf(stream));
    assert.equal(await tunnel.read(new Uint8Array(1)).catch(() => null), null);
    const tookMs = await stopped;
    assert.ok(tookMs < PROVIDER_MS + MORE_MS, `${tookMs} ms`);
    await assertNothingLeft({ home, marker }, child.pid);
  } finally {
    await child.kill();
  }
  assert.equal(creditsOf(market, whole), 1);
  for (const caller of [endless, talker]) {
    const charged = creditsOf(market, caller);
    assert.ok(charged >= 1 && charged <= 2, `${charged} credits`);
  }
});
