/** What payers by `exact` try to have for nothing, again and again. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { usdcAbi } from "../lib/chain/abi.ts";
import { balanceOf, exactHeader } from "../worlds/exact_payer.ts";
import {
  deployPaid,
  EXACT_PRICE,
  newPayer,
  payFor,
  runsOf,
  send,
  startExactMarket,
} from "../worlds/exact_market.ts";
import type { Market } from "../worlds/market.ts";

const AT_ONCE = 4;
const ROUNDS = 3;

/** All that somebody holds goes to somebody else. */
async function move({ chain, usdc }: Market, from: LocalAccount, to: LocalAccount, amount: bigint) {
  const args = [to.address, amount];
  await chain.send(from, { address: usdc, abi: usdcAbi, functionName: "transfer", args });
}

/** A call whose body has begun; what ends it. */
async function beginCall(market: Market, cid: string, payer: LocalAccount) {
  const { hostname, port } = new URL(market.provider.url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const [[name, value] = []] = Object.entries(exactHeader(await payFor(market, payer, cid)));
  const head = `POST /${cid} HTTP/1.1\r\nhost: provider.test\r\nconnection: close\r\n` +
    `expect: 100-continue\r\n${name}: ${value}\r\ncontent-length: 4\r\n\r\n`;
  const write = (text: string) => connection.write(new TextEncoder().encode(text));
  await write(head);
  // It is looked at, and its body asked for; or refused.
  const first = new Uint8Array(16_384);
  const said = new TextDecoder().decode(first.subarray(0, await connection.read(first) ?? 0));
  if (!said.startsWith("HTTP/1.1 100")) {
    connection.close();
    return () => Promise.resolve(said);
  }
  await write("fr");
  return async () => {
    await write("ee");
    return await new Response(connection.readable).text();
  };
}

Deno.test("who moves its money while its body trickles does so once", async () => {
  const about = { description: "BUY EVE COIN" };
  await using market = await startExactMarket();
  const cid = await deployPaid(market, {
    files: { main: "#!/bin/sh\nprintf 'hello '; cat\n" },
    fields: { about, access: "payer" },
  });
  const held = BigInt(AT_ONCE) * EXACT_PRICE;
  const [eve, purse] = [await newPayer(market, held), await newPayer(market, 1n)];
  const { provider } = market.accounts;
  const before = await balanceOf(market, provider.address);
  for (let round = 0; round < ROUNDS; round++) {
    const calls = await Promise.all(Array.from({ length: AT_ONCE }, () => {
      return beginCall(market, cid, eve);
    }));
    await move(market, eve, purse, held);
    for (const end of calls) assert.match(await end(), /^HTTP\/1\.1 402/);
    await move(market, purse, eve, held);
  }
  const ran = await runsOf(market);
  assert.ok(ran <= AT_ONCE, `${ran} runs for nothing`);
  assert.equal(await balanceOf(market, provider.address), before);
  const listed = async () => await (await fetch(`${market.provider.url}/openapi.json`)).text();
  assert.ok(!(await listed()).includes(about.description), "listed though nobody paid for it");
  const anna = await newPayer(market);
  assert.equal((await send(market, cid, await payFor(market, anna, cid))).status, 200);
  assert.equal(await balanceOf(market, provider.address), before + EXACT_PRICE);
});
