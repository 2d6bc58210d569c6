import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { processorShare } from "../../worlds/processor_share.ts";
import { sampleZip } from "../../worlds/spec/sample_zip.ts";
import { PROGRAM_ENTRIES_MAX } from "../limits.ts";
import { breathe } from "../slices.ts";
import { footprintOf, unpackProgram } from "./unpack.ts";
import { readZip } from "./zip_reader.ts";

const file = (name: string, data = "x") => ({ name, data });

/** Files in folders that no entry names: `depth` of them in each other for each file. */
function impliedFolders(files: number, depth: number) {
  return sampleZip(Array.from({ length: files }, (_, index) => {
    return file(`${Array.from({ length: depth }, (_, level) => `${index}-${level}`).join("/")}/f`);
  }));
}

async function diskOf(path: string): Promise<{ bytes: number; inodes: number }> {
  const own = await Deno.lstat(path);
  const sum = { bytes: Math.max(own.blocks! * 512, 0), inodes: 1 };
  if (!own.isDirectory) return sum;
  for await (const { name } of Deno.readDir(path)) {
    const one = await diskOf(join(path, name));
    sum.bytes += one.bytes;
    sum.inodes += one.inodes;
  }
  return sum;
}

Deno.test("folders that are only implied count as entries, before a byte is written", async () => {
  await assert.rejects(readZip(impliedFolders(1_000, 31)), /more than 10000 files and folders/);
  await assert.rejects(readZip(impliedFolders(PROGRAM_ENTRIES_MAX / 2, 2)), /files and folders/);
  assert.equal((await readZip(impliedFolders(300, 31))).length, 300);
});

Deno.test("a footprint counts every file and folder, no less than the disk does", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const zip = sampleZip([
      file("main", "x".repeat(10_000)),
      file("empty", ""),
      file("lib/a/b/c/small"),
      file("lib/a/b/other"),
      ...Array.from({ length: 300 }, (_, index) => file(`many/${"n".repeat(200)}${index}`)),
    ]);
    const { diskBytes, inodes } = footprintOf(await readZip(zip));
    await unpackProgram(zip, join(dir, "program"));
    const disk = await diskOf(join(dir, "program"));
    assert.equal(inodes, disk.inodes);
    assert.ok(diskBytes >= disk.bytes, `${diskBytes} counted, ${disk.bytes} taken`);
    assert.ok(diskBytes >= inodes * 4_096);
    assert.ok(diskBytes <= 2 * inodes * 4_096);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("bytes behind a deflate stream are refused", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const packed = Uint8Array.of(...deflateRawSync("content"), 7, 7, 7);
    const zip = sampleZip([{ name: "main", method: 8, packed }]);
    await assert.rejects(unpackProgram(zip, join(dir, "program")), /behind its deflate stream/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a large file unpacks in pieces: others go on, and memory stays what it was", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const size = 200 * 1024 * 1024;
    const packed = deflateRawSync(new Uint8Array(size));
    const zip = sampleZip([{
      name: "main",
      method: 8,
      packed,
      declaredSize: size,
      crc: 0xa0ea4c6d,
    }]);
    const before = Deno.memoryUsage().rss;
    let [turns, most, isOver] = [0, before, false];
    const watching = (async () => {
      for (; !isOver; turns++) {
        await breathe();
        if (turns % 8 === 0) most = Math.max(most, Deno.memoryUsage().rss);
      }
    })();
    // The checksum is made up: all of it is inflated by the time that this is noticed.
    await assert.rejects(unpackProgram(zip, join(dir, "program")), /does not match its checksum/);
    isOver = true;
    await watching;
    assert.ok(turns > 3_000, `the event loop turned ${turns} times`);
    // What was written waits for the collector; the whole of it is never there.
    assert.ok(most - before < 0.9 * size, `${(most - before) / 2 ** 20} MiB more`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

/** What takes long to unpack, each for a reason of its own. */
function largeZips(): Record<string, Uint8Array> {
  const random = new Uint8Array(32 * 2 ** 20);
  for (let at = 0; at < random.length; at += 65_536) {
    crypto.getRandomValues(random.subarray(at, at + 65_536));
  }
  const letters = random.map((byte) => 97 + byte % 16);
  const entry = { name: "main", declaredSize: random.length };
  return {
    stored: sampleZip([{ ...entry, method: 0, packed: random, crc: crc32(random) }]),
    deflated: sampleZip([{
      ...entry,
      method: 8,
      packed: deflateRawSync(letters, { level: 1 }),
      crc: crc32(letters),
    }]),
    "many files": sampleZip(Array.from({ length: 3_000 }, (_, index) => file(`${index}`))),
  };
}

for (const [name, zip] of Object.entries(largeZips())) {
  Deno.test(`large programs that unpack at once leave processors to calls: ${name}`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      const share = await processorShare((attempt) =>
        Promise.all([1, 2].map((one) => unpackProgram(zip, join(dir, `${attempt}-${one}`))))
      );

      assert.ok(share < 0.8, `${share} of a processor`);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

Deno.test("many long names are read in slices: the event loop turns between", async () => {
  const folders = Array.from({ length: 4 }, () => "d".repeat(200)).join("/");
  const zip = sampleZip(Array.from({ length: 5_000 }, (_, index) => file(`${folders}/${index}`)));
  let [turns, isOver] = [0, false];
  const counting = (async () => {
    for (; !isOver; turns++) await breathe();
  })();
  await readZip(zip);
  isOver = true;
  await counting;
  assert.ok(turns > 20, `the event loop turned ${turns} times`);
});
