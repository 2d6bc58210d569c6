/** An answer that begins and cannot be ended: what the caller sees, and what the log says. */
import assert from "node:assert/strict";
import { startChildProvider } from "../worlds/child_provider.ts";
import { startMarket } from "../worlds/market.ts";

const LIMITS = { timeoutMs: 300, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 60 };

Deno.test("an answer that a limit cuts off fails at the caller and is one line of the log", async () => {
  await using market = await startMarket();
  const cid = await market.deploy({
    files: { main: "#!/bin/sh\necho half\nsleep 60\n" },
    fields: { limits: LIMITS },
  });
  await market.provider.stop();
  const provider = await startChildProvider(market.home);
  const response = await fetch(`${await provider.url}/${cid}`);
  assert.equal(response.status, 200);
  await assert.rejects(response.text(), "half an answer was taken for a whole one");
  await provider.stop();
  const log = await Deno.readTextFile(`${market.home}/provider.log`);
  const lines = log.trim().split("\n").map((line) => JSON.parse(line));
  const cut = lines.filter(({ message }) => message === "an answer was cut off");
  assert.deepEqual(cut.map(({ level, error }) => [level, error.code]), [
    ["debug", "program_timeout"],
  ]);
});
