import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { inFolder } from "../../../../worlds/home.ts";
import { storedRow } from "../codec.ts";
import type { Party, PartyRow } from "./block_codec.ts";
import { hashOf, SegmentFile, segmentName, SegmentWriter } from "./segment_file.ts";

const PARTY: Party = ["0xpayer", "0xlane", "bafycid"];

const sale = (n: number): PartyRow[] =>
  [
    {
      row: storedRow(
        2 * n - 1,
        [n, "reserve", ...PARTY.slice(0, 2), n, PARTY[2], "5", null] as never,
      ),
    },
    {
      row: storedRow(
        2 * n,
        [n, "charge", ...PARTY.slice(0, 2), n, null, null, `["ok",${n}]`] as never,
      ),
    },
  ].map(({ row }) => ({ row, party: 0 }));

const HEAD = { kind: "rows", first: 1, last: 6, parties: [PARTY] } as const;

async function written(dir: string) {
  using writer = new SegmentWriter(dir, HEAD);
  writer.add([...sale(1), ...sale(2)]);
  writer.add(sale(3));
  assert.deepEqual((await Array.fromAsync(Deno.readDir(dir))).length, 1);
  const segment = await writer.finish();
  return { ...segment, path: `${dir}/${segmentName(HEAD)}` };
}

Deno.test("a segment is a file that gzip reads, and each of its blocks is read alone", () =>
  inFolder(async (dir) => {
    const { path, headBytes, places, sha256, bytes } = await written(dir);
    assert.equal(path, `${dir}/ledger-000000000001-000000000006.jsonl.gz`);
    assert.deepEqual([await hashOf(path), (await Deno.stat(path)).size], [sha256, bytes]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const lines = new TextDecoder().decode(gunzipSync(await Deno.readFile(path))).trim().split(
      "\n",
    );
    assert.equal(lines.length, 3);
    const { khachapuri, version, parties } = JSON.parse(lines[0]!);
    assert.deepEqual([khachapuri, version, parties], ["ledger", 1, [PARTY]]);
    using file = new SegmentFile(path, headBytes);
    assert.deepEqual(file.block(places[1]!), sale(3));
    assert.deepEqual(file.block(places[0]!), [...sale(1), ...sale(2)]);
    assert.deepEqual(places.map(([, , first, last]) => [first, last]), [[1, 2], [3, 3]]);
  }));

Deno.test("a segment that is not whole, not there or of a later release is named", () =>
  inFolder(async (dir) => {
    const { path, headBytes, places } = await written(dir);
    const named = { code: "file_unusable", message: new RegExp(`${path} can't be read back`) };
    await Deno.truncate(path, headBytes + 5);
    {
      using file = new SegmentFile(path, headBytes);
      assert.throws(() => file.block(places[0]!), named);
    }
    await Deno.truncate(path, 5);
    assert.throws(() => new SegmentFile(path, headBytes), named);
    await Deno.remove(path);
    assert.throws(() => new SegmentFile(path, headBytes), named);
  }));
