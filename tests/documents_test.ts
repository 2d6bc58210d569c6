/** The commands in the documents, run as they are written, from a bare machine to earning. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readBlocks } from "../worlds/documents/blocks.ts";
import { openReaders } from "../worlds/documents/reader.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** In the order in which their readers come: whom the later ones call, the earlier have set up. */
const DOCUMENTS = [
  "README.md",
  "docs/provider.md",
  "docs/developer.md",
  "docs/from-lambda.md",
  "docs/from-chainlink-functions.md",
  "docs/from-gelato.md",
  "docs/caller.md",
  "docs/payer.md",
];

/** What is to be seen on the way, by the first words of the block. */
const SEEN: Readonly<Record<string, RegExp>> = {
  "khachapuri init --rpc http://127.0.0.1:8545":
    /deposited 5 USDC, free balance 5 USDC[^]*wallet +999995 USDC[^]*minted 100 USDC for 0x7099/,
  "curl 'https://paolo.example/CID": /gamarjoba, Nino\n[^]*gamarjoba, Nino\n/,
  "khachapuri collect": /collected 0\.00\d+ USDC/,
};

Deno.test("no figure of the documents is still to be filled in", async () => {
  for (const document of [...DOCUMENTS, "docs/interfaces.md", "docs/protocol.md", "docs/http.md"]) {
    const left = (await Deno.readTextFile(ROOT + document)).match(/FIGURE:[\w-]*/g) ?? [];
    assert.deepEqual(left, [], document);
  }
});

Deno.test("the documents' commands work as they are written", async (t) => {
  await using readers = await openReaders();
  for (const document of DOCUMENTS) {
    const blocks = readBlocks(document, await Deno.readTextFile(ROOT + document));
    for (const block of blocks.filter(({ person }) => person !== null)) {
      const isWell = await t.step(`${block.place} as ${block.person}`, async () => {
        const { code, said } = await readers.paste(block);
        assert.equal(code, 0, `${block.text}\n${said}`);
        const [, seen] = Object.entries(SEEN).find(([head]) => block.text.startsWith(head)) ?? [];
        if (seen) assert.match(said, seen);
      });
      if (!isWell) return;
    }
    // README's provider makes room for that of docs/provider.md, which the others call.
    if (document === "README.md") await readers.stopServing();
  }
});
