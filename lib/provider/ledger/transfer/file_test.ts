import assert from "node:assert/strict";
import { inFolder } from "../../../../worlds/home.ts";
import { ID, sale } from "../../../../worlds/ledger.ts";
import {
  ledgerPath,
  sourceIn,
  targetIn,
  textIn,
  WHOSE,
  writeExport,
  writeText,
} from "../../../../worlds/moved_ledger.ts";
import { openStore } from "../store.ts";
import { readWhole } from "./file.ts";
import { importLedger } from "./import.ts";

/** A file of a ledger with some charges. */
async function inFile(work: (path: string, dir: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    const store = await openStore(ledgerPath(dir));
    const sales = Array.from({ length: 30 }, (_, index) => sale(index + 1)).flat();
    await store.write([{ kind: "open", ...ID, charged: 0n }, ...sales], "disk");
    await store.close();
    const source = await sourceIn(dir);
    await writeExport(`${dir}/file`, source);
    await source.close();
    await work(`${dir}/file`, dir);
  });
}

const linesOf = (text: string) => text.trimEnd().split("\n");
const write = (path: string, lines: readonly string[], end = "\n") =>
  writeText(path, lines.join("\n") + end);
const damaged = (message: RegExp) => ({ code: "file_unusable", message });

Deno.test("a file tells what it is of, and what all of it comes to", () =>
  inFile(async (path) => {
    const { header, totals } = await readWhole(path, WHOSE);
    assert.deepEqual([header.store, header.next], ["sqlite", { reservation: 31, purchase: 1 }]);
    const { lanes, charged, charges, due, chargesAmount } = totals.sums;
    assert.deepEqual(
      { lanes, charged, charges, due, chargesAmount },
      { lanes: 1, charged: "30", charges: 30, due: "150", chargesAmount: "150" },
    );
  }));

Deno.test("a file that was cut anywhere is refused, and nothing is begun with it", () =>
  inFile(async (path, dir) => {
    const bytes = await Deno.readFile(path);
    for (const length of [0, 1, 20, bytes.length >> 1, bytes.length - 9, bytes.length - 1]) {
      await Deno.writeFile(path, bytes.subarray(0, length));
      await assert.rejects(readWhole(path, WHOSE), { code: "file_unusable" }, `${length} bytes`);
    }
    await Deno.mkdir(`${dir}/other`);
    await assert.rejects(importLedger(path, targetIn(`${dir}/other`), WHOSE), damaged(/./));
    assert.deepEqual(await Array.fromAsync(Deno.readDir(`${dir}/other`)), []);
    await Deno.writeFile(path, bytes);
    const lines = linesOf(await textIn(path));
    await write(path, lines.slice(0, -1));
    await assert.rejects(readWhole(path, WHOSE), damaged(/its end is missing/));
    await write(path, lines, "");
    await assert.rejects(readWhole(path, WHOSE), damaged(/its last line is cut/));
  }));

Deno.test("a file of which a line was changed, taken, added or put elsewhere is refused", () =>
  inFile(async (path) => {
    const lines = linesOf(await textIn(path));
    const at = lines.findIndex((line) => line.startsWith('["charge"'));
    const dearer = lines[at]!.replace('"5"', '"6"');
    assert.notEqual(dearer, lines[at]);
    const edits: [what: RegExp, lines: string[]][] = [
      [/its digest is another/, lines.with(at, dearer)],
      [/its digest is another/, lines.toSpliced(at, 1)],
      [/its digest is another/, lines.toSpliced(at, 0, lines[at]!)],
      [/its digest is another/, lines.with(at, lines[at + 1]!).with(at + 1, lines[at]!)],
      [/something stands behind its end/, [...lines, lines[at]!]],
      [/none of a ledger's/, lines.with(at, "{}")],
      [/makes no sense/, lines.with(at, '["charge"]')],
      [/charges is 30, and 31 came/, lines.with(-1, lines.at(-1)!.replace(":30,", ":31,"))],
      [/not what was exported/, []],
    ];
    for (const [what, edited] of edits) {
      await write(path, edited, edited.length === 0 ? "" : "\n");
      await assert.rejects(readWhole(path, WHOSE), damaged(what));
    }
  }));

Deno.test("another provider's file is refused, and so is one of another chain, escrow or release", () =>
  inFile(async (path) => {
    const elsewhere: [RegExp, Partial<typeof WHOSE>][] = [
      [/of another provider/, { provider: WHOSE.escrow }],
      [/of another chainId: 31337, and this is 1/, { chainId: 1 }],
      [/of another escrow/, { escrow: WHOSE.provider }],
    ];
    for (const [message, change] of elsewhere) {
      const refused = { code: "invalid_input", message };
      await assert.rejects(readWhole(path, { ...WHOSE, ...change }), refused);
    }
    const [header, ...lines] = linesOf(await textIn(path));
    await write(path, [header!.replace('"version":1', '"version":2'), ...lines]);
    await assert.rejects(readWhole(path, WHOSE), { message: /written by another release/ });
    await write(path, ["hello"]);
    await assert.rejects(readWhole(path, WHOSE), {
      message: /no file of khachapuri ledger export/,
    });
    await assert.rejects(readWhole(`${path}.not`, WHOSE), { code: "not_found" });
  }));
