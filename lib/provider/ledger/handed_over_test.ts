import assert from "node:assert/strict";
import { inFolder } from "../../../worlds/home.ts";
import type { Row } from "./codec.ts";
import { HandedOver, handedOver, handedOverText } from "./handed_over.ts";

const row = (n: number, detail = ""): Row => [n, "charge", "0x", "0x", n, null, null, detail];

/** A file with what `work` does to it; the text that it holds in the end. */
async function textAfter(work: (file: HandedOver) => void): Promise<string> {
  let text = "";
  await inFolder((dir) => {
    const path = `${dir}/ledger.db`;
    assert.equal(handedOverText(path), "");
    const file = new HandedOver(path);
    work(file);
    text = handedOverText(path);
    file.close();
    return Promise.resolve();
  });
  return text;
}

Deno.test("what was handed over is read again, whatever its length and letters", async () => {
  const long = row(3, `"ñ€😀\n\\"`.repeat(1_000));
  const text = await textAfter((file) => {
    file.append({ seq: 8, rows: [row(1), row(2)] });
    file.append({ seq: 10, rows: [long] });
  });
  assert.deepEqual(handedOver(text, 7), { seq: 8, rows: [row(1), row(2), long] });
});

Deno.test("what the table has is not handed over twice, nor what does not follow on it", async () => {
  const text = await textAfter((file) => {
    file.append({ seq: 8, rows: [row(1), row(2)] });
    file.append({ seq: 10, rows: [row(3)] });
  });
  assert.equal(handedOver(text, 10), null);
  assert.equal(handedOver(text, 8), null);
  assert.equal(handedOver(text, 6), null);
});

Deno.test("of lines that were put into the table nothing shows through behind later ones", async () => {
  for (let rows = 1; rows <= 4; rows++) {
    const text = await textAfter((file) => {
      for (let seq = 1; seq <= 12; seq += 3) file.append({ seq, rows: [row(1), row(1), row(1)] });
      file.rewind();
      file.append({ seq: 13, rows: Array.from({ length: rows }, () => row(2)) });
    });
    assert.deepEqual(handedOver(text, 12)?.rows.length, rows);
  }
});

Deno.test("a line that is torn or altered ends what is read", async () => {
  const text = await textAfter((file) => {
    file.append({ seq: 1, rows: [row(1)] });
    file.append({ seq: 2, rows: [row(2)] });
  });
  const one = { seq: 1, rows: [row(1)] };
  const second = text.indexOf("\n") + 1;
  for (let end = second; end < text.length - 2; end++) {
    assert.deepEqual(handedOver(text.slice(0, end), 0), one);
  }
  assert.deepEqual(
    handedOver(text.slice(0, second) + text.slice(second).replace("2", "3"), 0),
    one,
  );
  assert.equal(handedOver(`null 0\n 0\n${text}`, 0), null);
});

Deno.test("what could not be read again is not handed over", async () => {
  const text = await textAfter((file) => {
    assert.throws(() => file.append({ seq: 1, rows: [row(NaN)] }), /no time/);
    file.append({ seq: 1, rows: [row(1)] });
    file.clear();
  });
  assert.equal(text, "");
});
