/** The package's README does what it says, in plain Node. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Market, startMarket } from "../../worlds/market.ts";
import { privateKeyOf } from "../../worlds/chain/people.ts";
import { areStockClientsThere, openWorkplace, type Workplace } from "./stock.ts";

const README = join(import.meta.dirname!, "../../packages/x402-credits/README.md");
const CALLER = join(import.meta.dirname!, "../../docs/caller.md");
const ignore = !await areStockClientsThere();

/** The blocks of JavaScript as a reader pastes them, with its own in place of what is not. */
async function program(changes: Readonly<Record<string, string>>): Promise<string> {
  const text = await Deno.readTextFile(README);
  const blocks = [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code]) => code!);
  assert.equal(blocks.length, 3);
  // The last one sets the client up further before the first one's call.
  const [first, call] = blocks[0]!.split(/^(?=const answer)/m);
  const pasted = `${first}\n${blocks[2]}\n${call}\nprocess.exit(0);\n`;
  return Object.entries(changes).reduce((code, [written, own]) => {
    assert.ok(code.includes(written), `the README says no more: ${written}`);
    return code.replace(written, own);
  }, pasted);
}

/** What the README would have a reader name as an escrow of its own, with a market's in it. */
async function escrowsOption(market: Market): Promise<string> {
  const text = await Deno.readTextFile(README);
  const [, option] = /^ {2}(escrows: \[\{\n[^]*?\n {2}\}\],)$/m.exec(text)!;
  const { escrow, usdc, chain } = market;
  return option!.replace("31337", String(chain.chainId)).replace('"0x…"', `"${escrow}"`)
    .replace('"0x…"', `"${usdc}"`);
}

/** What a program prints, run by plain Node with a payer's key. */
async function saidBy({ dir }: Workplace, code: string, market: Market): Promise<string> {
  await Deno.writeTextFile(join(dir, "agent.mjs"), code);
  const { success, stdout, stderr } = await new Deno.Command("node", {
    args: ["agent.mjs"],
    cwd: dir,
    env: { PRIVATE_KEY: privateKeyOf(market.accounts.payer) },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.ok(success, text(stderr));
  return text(stdout);
}

Deno.test({ name: "the README's example pays for a call", ignore }, async () => {
  await using market = await startMarket();
  await using workplace = await openWorkplace();
  const { dir } = workplace;
  const files = { main: "#!/bin/sh\nprintf 'got '; cat\n" };
  const cid = await market.deploy({ files, fields: { access: "payer" } });
  const code = await program({
    "https://paolo.example/CID": `${market.provider.url}/${cid}`,
    'store: fileStore("credits.json"),': `store: fileStore("credits.json"),
      ${await escrowsOption(market)}`,
  });
  assert.equal(await saidBy(workplace, code, market), "got data\n");
  const [lane] = JSON.parse(await Deno.readTextFile(join(dir, "credits.json"))).lanes;
  assert.equal(lane.signed, "1");
});

Deno.test({ name: "the program for any x402 client pays for a call", ignore }, async () => {
  await using market = await startMarket();
  await using workplace = await openWorkplace();
  const files = { main: "#!/bin/sh\nprintf 'got '; cat\n" };
  const cid = await market.deploy({ files, fields: { access: "payer" } });
  const text = await Deno.readTextFile(CALLER);
  const [, program] = /^`pay\.mjs`, whole:\n\n```js\n([^]*?)^```$/m.exec(text)!;
  const [, controls] = /`(spendControls: \{[^`]*\})`, USDC's address/.exec(text)!;
  const own = controls!.replace("31337", String(market.chain.chainId))
    .replace("0x…", market.usdc);
  const code = program!.replace("https://paolo.example/CID", `${market.provider.url}/${cid}`)
    .replace("  schemes: [", `  ${own},\n  schemes: [`);
  assert.equal(await saidBy(workplace, `${code}process.exit(0);\n`, market), "200 got data\n");
});
