/** What an owner's `POST /stop` does to runs that are under way, over HTTP. */
import assert from "node:assert/strict";
import { signStop } from "../lib/spec/stop.ts";
import { startMarket } from "../worlds/market.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
/** Says all that it has to say, and stays until long after the stop. */
const MAIN = `#!/bin/sh
i=0
while [ $i -lt 20 ]; do i=$((i+1)); echo part $i; done
echo done
sleep 3
`;
const CALLS = 8;

type Reader = ReadableStreamDefaultReader<string>;

/** Reads until the program has said that it is done, or to the end. */
async function readUntilDone(reader: Reader): Promise<string> {
  let text = "";
  while (!text.includes("done\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  return text;
}

Deno.test("runs that are under way when their owner stops the deployment are paid for", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer, owner, provider } = market.accounts;
  const spec = await market.spec({ files: { main: MAIN } });
  const cid = await market.publishSpec(spec);
  const headers = await market.pay(payer);
  const readers = await Promise.all(Array.from({ length: CALLS }, async () => {
    const { body } = await market.call(cid, { headers });
    const reader: Reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.ok((await readUntilDone(reader)).endsWith("done\n"));
    return reader;
  }));
  const signature = await signStop(owner, {
    id: spec.id,
    provider: provider.address,
    chainId: market.chain.chainId,
    escrow: market.escrow,
  });
  const stopped = await fetch(`${market.provider.url}/stop`, {
    method: "POST",
    body: JSON.stringify({ cid, signature }),
  });
  assert.equal(stopped.status, 200, await stopped.text());
  const refused = await market.call(cid, { headers });
  assert.deepEqual([refused.status, (await refused.json()).error], [410, "stopped"]);
  for (const reader of readers) assert.ok((await reader.read()).done, "the answer was cut off");
  const kinds = market.entries({ payer: payer.address }).map(({ kind }) => kind);
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  assert.deepEqual([count("charge"), count("release")], [CALLS, 0]);
});
