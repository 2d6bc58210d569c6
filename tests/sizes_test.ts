/** How much a request and an answer may carry is the provider's to say, and costs it no memory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startChildProvider } from "../worlds/child_provider.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { residentMemory } from "../worlds/processes.ts";

const MIB = 1024 * 1024;
/** Counts what comes in, or prints as much as the path says. */
const COUNT = `#!/bin/sh
[ "$PATH_INFO" = "" ] && exec wc -c
exec head -c "\${PATH_INFO#/}" /dev/zero
`;
/** Nothing settles by itself within a test. */
const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const LIMITS = { timeoutMs: 15_000, memoryMb: 256, concurrency: 16, ownerCreditsPerMinute: 600 };

const zeros = (bytes: number, piece = 64 * 1024) =>
  ReadableStream.from((function* () {
    for (let left = bytes; left > 0; left -= piece) yield new Uint8Array(Math.min(piece, left));
  })());

async function bytesOf({ body }: Response): Promise<number> {
  let bytes = 0;
  for await (const chunk of body!) bytes += chunk.length;
  return bytes;
}

Deno.test("a provider's sizes are what its configuration says", async (t) => {
  const sizes = { requestBytes: 300_000, responseBytes: 200_000 };
  await using market = await startMarket({ settings: { settlement: BATCH, sandbox: sizes } });
  const cid = await market.deploy({ files: { main: COUNT }, fields: { limits: LIMITS } });
  const charges = () => market.entries().filter(({ kind }) => kind === "charge").length;
  const charged = async (work: () => Promise<void>) => {
    const before = charges();
    await work();
    return charges() - before;
  };

  await t.step("its front page says them, to programs and to people", async () => {
    const headers = { accept: "application/json" };
    const { limits } = await (await fetch(market.provider.url, { headers })).json();
    assert.deepEqual([limits.requestBytes, limits.responseBytes], [300_000, 200_000]);
    const html = await fetch(market.provider.url, { headers: { accept: "text/html" } });
    assert.match(await html.text(), /300000 bytes there, 200000 bytes back/);
  });

  await t.step("a request is as long as that, and one that says to be longer is free", async () => {
    const send = (bytes: number) =>
      market.call(cid, { method: "POST", body: new Uint8Array(bytes) });
    assert.equal(await (await send(300_000)).text(), "300000\n");
    const credits = await charged(async () => {
      const response = await send(300_001);
      const { error, limit, message } = await response.json();
      assert.deepEqual([response.status, error, limit], [413, "body_too_large", 300_000]);
      assert.match(message, /300000 bytes/);
    });
    assert.equal(credits, 0);
  });

  await t.step("one that turns out to be longer has cost a run", async () => {
    const credits = await charged(async () => {
      const response = await market.call(cid, { method: "POST", body: zeros(400_000) });
      const { error, limit } = await response.json();
      assert.deepEqual([response.status, error, limit], [413, "body_too_large", 300_000]);
    });
    assert.equal(credits, 1);
  });

  await t.step("an answer is as long as that, and cut off beyond it", async () => {
    assert.equal(await bytesOf(await market.call(`${cid}/200000`)), 200_000);
    // The size is the body's: the head that a program may print comes on top, also where none is.
    await assert.rejects(async () => {
      const response = await market.call(`${cid}/400000`);
      if (response.ok) await bytesOf(response);
      else throw new Error((await response.json()).error);
    }, { message: /^error reading a body from connection$|^program_limit$/ });
  });
});

/** The market's provider in a process of its own. */
async function alone(market: Market) {
  await market.provider.stop();
  const child = await startChildProvider(market.home, { logLevel: "info" });
  const url = await child.url;
  assert.ok(url);
  return { url, pid: child.pid, [Symbol.asyncDispose]: () => child.kill() };
}

/** Debian's curl, to the end of the answer; returns what comes out. */
async function curl(...args: string[]): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command("curl", {
    args: ["-q", "-sSf", ...args],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("100 MiB there and back, several at once, leave a provider's memory flat", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const cid = await market.deploy({ files: { main: COUNT }, fields: { limits: LIMITS } });
  const cgi = await market.deploy({
    files: { main: "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nexec wc -c\n" },
    fields: { limits: LIMITS, interface: "cgi" },
  });
  await using provider = await alone(market);
  const file = join(market.home, "zeros");
  await Deno.writeFile(file, new Uint8Array());
  const payment = await market.pay(market.accounts.payer);
  const paid = ["-H", `PAYMENT-SIGNATURE: ${payment["PAYMENT-SIGNATURE"]}`];
  const chunked = ["-H", "Transfer-Encoding: chunked"];
  async function transfers(size: number): Promise<void> {
    await Deno.truncate(file, size);
    const up = async (target: string, ...args: string[]) =>
      assert.equal(await curl("-T", file, ...args, `${provider.url}/${target}`), String(size));
    const down = async (...args: string[]) => {
      const counted = ["-o", "/dev/null", "-w", "%{size_download}"];
      assert.equal(await curl(...counted, ...args, `${provider.url}/${cid}/${size}`), String(size));
    };
    const ups = [up(cid), up(cid, ...chunked, ...paid), up(cgi, ...paid)];
    await Promise.all([...ups, down(), down(...paid), down("--http1.0")]);
  }
  // What is loaded and compiled, and how far a heap grows by itself before it is collected: as many
  // bytes, in smaller pieces.
  for (let time = 0; time < 5; time++) await transfers(20 * MIB);
  const before = (await residentMemory(provider.pid)).peakBytes;
  await transfers(100 * MIB);
  const peak = (await residentMemory(provider.pid)).peakBytes;
  assert.ok(peak - before < 50 * MIB, `${before}, then ${peak}`);
});
