/** The package's README does what it says, in plain Node. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startMarket } from "../../worlds/market.ts";
import { privateKeyOf } from "../../worlds/chain/people.ts";
import { escrowsOf } from "./agent.ts";
import { areStockClientsThere, openWorkplace } from "./stock.ts";

const README = join(import.meta.dirname!, "../../packages/x402-credits/README.md");
const ignore = !await areStockClientsThere();

/** The blocks of JavaScript as a reader pastes them, with its own in place of what is not. */
async function program(changes: Readonly<Record<string, string>>): Promise<string> {
  const text = await Deno.readTextFile(README);
  const blocks = [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code]) => code!);
  assert.equal(blocks.length, 2);
  // The second one sets the client up further before the first one's call.
  const [first, call] = blocks[0]!.split(/^(?=const answer)/m);
  const pasted = `${first}\n${blocks[1]}\n${call}\nprocess.exit(0);\n`;
  return Object.entries(changes).reduce((code, [written, own]) => {
    assert.ok(code.includes(written), `the README says no more: ${written}`);
    return code.replace(written, own);
  }, pasted);
}

Deno.test({ name: "the README's example pays for a call", ignore }, async () => {
  await using market = await startMarket();
  await using workplace = await openWorkplace();
  const { dir } = workplace;
  const files = { main: "#!/bin/sh\nprintf 'got '; cat\n" };
  const cid = await market.deploy({ files, fields: { access: "payer" } });
  const escrows = JSON.stringify(escrowsOf(market));
  const code = await program({
    "https://paolo.example/CID": `${market.provider.url}/${cid}`,
    'store: fileStore("credits.json"),': `store: fileStore("credits.json"), escrows: ${escrows},`,
  });
  await Deno.writeTextFile(join(dir, "agent.mjs"), code);
  const { success, stdout, stderr } = await new Deno.Command("node", {
    args: ["agent.mjs"],
    cwd: dir,
    env: { PRIVATE_KEY: privateKeyOf(market.accounts.payer) },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.ok(success, text(stderr));
  assert.equal(text(stdout), "got data\n");
  const [lane] = JSON.parse(await Deno.readTextFile(join(dir, "credits.json"))).lanes;
  assert.equal(lane.signed, "1");
});
