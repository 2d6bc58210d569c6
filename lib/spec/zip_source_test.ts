import assert from "node:assert/strict";
import { join } from "node:path";
import { randomOf } from "../../worlds/random.ts";
import { type SampleEntry, sampleZip } from "../../worlds/spec/sample_zip.ts";
import { unpackEntries } from "./unpack.ts";
import { readZip } from "./zip_reader.ts";
import { bytesSource, fileSource, type ZipSource } from "./zip_source.ts";

const SEEDS = 150;
const NAMES = ["f", "g/f", "g/h/f", "l", "d/", "é", "n".repeat(1_100)];
const MODES = [0o100755, 0o100644, 0o120777, 0o040755, 0];

/** A random archive, most of them with something wrong. */
function archiveOf(seed: number): Uint8Array<ArrayBuffer> {
  const random = randomOf(seed);
  const entries = Array.from({ length: random.between(1, 5) }, (_, index): SampleEntry => ({
    name: random.chance(0.9) ? `${random.pick(["", "g/", "g/h/"])}${index}` : random.pick(NAMES),
    data: "ab".repeat(random.pick([0, 1, 500, 40_000, 200_000])),
    method: random.pick([0, 8]),
    ...(random.chance(0.2) && { mode: random.pick(MODES) }),
    ...(random.chance(0.05) && { declaredSize: random.between(0, 1_000) }),
    ...(random.chance(0.05) && { descriptor: random.pick(["signed", "plain", "lie"] as const) }),
  }));
  const zip = sampleZip(entries);
  for (let changes = random.chance(0.4) ? random.between(1, 3) : 0; changes > 0; changes--) {
    zip[random.between(0, zip.length - 1)]! ^= random.between(1, 255);
  }
  return random.chance(0.1) ? zip.subarray(0, random.between(0, zip.length)) : zip;
}

async function contents(dir: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(dir)) {
    const path = join(dir, name);
    const { mode, size } = await Deno.lstat(path);
    lines.push(`${name} ${mode} ${isDirectory ? "" : size}`);
    if (isSymlink) lines.push(await Deno.readLink(path));
    else if (isDirectory) lines.push(...(await contents(path)).map((line) => `${name}/${line}`));
    else lines.push((await Deno.readFile(path)).toHex());
  }
  return lines.sort();
}

async function verdict(source: ZipSource, dir: string): Promise<string[]> {
  try {
    await unpackEntries(await readZip(source), source, dir);
    return await contents(dir);
  } catch (error) {
    return [(error as Error).message];
  } finally {
    await Deno.remove(dir, { recursive: true }).catch(() => {});
  }
}

Deno.test("an archive in a file is taken or refused as one in memory, in the same words", async () => {
  const dir = await Deno.makeTempDir();
  let refused = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const zip = archiveOf(seed);
    const path = join(dir, "zip");
    await Deno.writeFile(path, zip);
    using file = await Deno.open(path);
    const held = await verdict(bytesSource(zip), join(dir, "held"));
    assert.deepEqual(
      await verdict(fileSource(file, zip.length), join(dir, "read")),
      held,
      `${seed}`,
    );
    if (held[0]?.startsWith("program zip: ")) refused += 1;
  }
  assert.ok(refused > SEEDS / 5 && refused < SEEDS * 4 / 5, `${refused} of ${SEEDS} refused`);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("an archive in a file is read in few pieces, and never as a whole", async () => {
  const files = Array.from(
    { length: 2_000 },
    (_, index) => ({ name: `${index}`, data: "x".repeat(900) }),
  );
  const zip = sampleZip(files);
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, zip);
  using file = await Deno.open(path);
  const [reads, longest] = [[] as number[], { bytes: 0 }];
  const counting = {
    seekSync: (...to: Parameters<Deno.FsFile["seekSync"]>) => file.seekSync(...to),
    read(bytes: Uint8Array) {
      reads.push(bytes.length);
      longest.bytes = Math.max(longest.bytes, bytes.length);
      return file.read(bytes);
    },
  } as Deno.FsFile;
  await readZip(fileSource(counting, zip.length));
  assert.ok(reads.length < 2 * zip.length / 65_536 + 10, `${reads.length} reads`);
  assert.ok(longest.bytes < 100_000);
  await Deno.remove(path);
});
