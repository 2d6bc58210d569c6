import assert from "node:assert/strict";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { KhachapuriError } from "../errors.ts";
import { PROGRAM_ENTRIES_MAX, PROGRAM_UNPACKED_BYTES_MAX } from "../limits.ts";
import { packProgram } from "./pack.ts";
import { type SampleEntry, sampleZip } from "../../worlds/spec/sample_zip.ts";
import { unpackProgram } from "./unpack.ts";
import { readZip } from "./zip_reader.ts";

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function refuses(zip: Uint8Array, message: RegExp): Promise<void> {
  await inFolder(async (dir) => {
    const target = join(dir, "program");
    await assert.rejects(unpackProgram(zip, target), (error) => {
      assert(error instanceof KhachapuriError, String(error));
      assert.equal(error.code, "invalid_program");
      assert.match(error.message, message);
      return true;
    });
    // Nothing is left behind, not even of what came before the bad entry.
    assert.deepEqual(await Array.fromAsync(Deno.readDir(dir)), []);
  });
}

const file = (name: string, fields: Partial<SampleEntry> = {}): SampleEntry => ({
  name,
  ...fields,
});

async function writeProgram(dir: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(dir, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, `content of ${name}`);
    await Deno.chmod(path, name.startsWith("bin/") ? 0o755 : 0o600);
  }
}

Deno.test("the same files pack to the same bytes in any order, at any time, under any umask", () =>
  inFolder(async (dir) => {
    const names = ["main", "bin/tool", "a/b/c.txt", "10", "9", "__proto__", "ხაჭაპური"];
    const [one, two] = [join(dir, "one"), join(dir, "two")];
    await writeProgram(one, names);
    await writeProgram(two, names.toReversed());
    for (const name of names) await Deno.utime(join(two, name), 1, 1_000_000_000);
    await Deno.chmod(join(two, "main"), 0o640);
    assert.deepEqual(await packProgram(one), await packProgram(two));
  }));

Deno.test("packing and unpacking keep names, bytes and the executable bit", () =>
  inFolder(async (dir) => {
    const names = ["main", "bin/tool", "__proto__", "ხაჭაპური"];
    await writeProgram(join(dir, "in"), names);
    await Deno.mkdir(join(dir, "in", ".git"));
    await Deno.writeTextFile(join(dir, "in", ".git", "config"), "private");
    await unpackProgram(await packProgram(join(dir, "in")), join(dir, "out"));
    for (const name of names) {
      const path = join(dir, "out", name);
      assert.equal(await Deno.readTextFile(path), `content of ${name}`);
      const mode = (await Deno.stat(path)).mode! & 0o7777;
      assert.equal(mode, name.startsWith("bin/") ? 0o755 : 0o644);
    }
    assert.equal((await Deno.stat(join(dir, "out", "bin"))).mode! & 0o7777, 0o755);
    await assert.rejects(Deno.stat(join(dir, "out", ".git")), Deno.errors.NotFound);
  }));

Deno.test("a folder with a symlink, a strange name, or nothing is not packed", () =>
  inFolder(async (dir) => {
    const packs = (message: RegExp) => assert.rejects(packProgram(dir), { message });
    await packs(/holds no files/);
    await Deno.symlink("gone", join(dir, "link"));
    await packs(/holds no files, only links: link -> gone$/);
    await Deno.remove(join(dir, "link"));
    await Deno.symlink("/etc/passwd", join(dir, "link"));
    await packs(/link -> \/etc\/passwd leads out/);
    await Deno.writeTextFile(join(dir, "main"), "");
    await packs(/link -> \/etc\/passwd leads out/);
    await Deno.remove(join(dir, "link"));
    await Deno.remove(join(dir, "main"));
    await Deno.writeTextFile(join(dir, "back\\slash"), "");
    await packs(/no name that every system/);
    await Deno.remove(join(dir, "back\\slash"));
    await writeProgram(dir, ["Main", "main"]);
    await packs(/clashes/);
    await assert.rejects(packProgram(join(dir, "main")), { code: "invalid_program" });
    await assert.rejects(packProgram(join(dir, "gone")), { code: "not_found" });
  }));

Deno.test({
  name: "Info-ZIP's unzip takes our archives, and we take zip's (needs zip and unzip)",
  ignore: !await Deno.stat("/usr/bin/zip").then(() => Deno.stat("/usr/bin/unzip")).catch(() =>
    null
  ),
  fn: () =>
    inFolder(async (dir) => {
      await writeProgram(join(dir, "in"), ["main", "bin/tool"]);
      await Deno.symlink("bin/tool", join(dir, "in", "link"));
      await Deno.writeFile(join(dir, "ours.zip"), await packProgram(join(dir, "in")));
      const tested = await new Deno.Command("unzip", { args: ["-tq", join(dir, "ours.zip")] })
        .output();
      assert.equal(tested.code, 0);
      const args = ["-qry", join(dir, "theirs.zip"), "."];
      await new Deno.Command("zip", { args, cwd: join(dir, "in") }).output();
      await unpackProgram(await Deno.readFile(join(dir, "theirs.zip")), join(dir, "out"));
      assert.equal(await Deno.readLink(join(dir, "out", "link")), "bin/tool");
      const tool = join(dir, "out", "bin", "tool");
      assert.equal(await Deno.readTextFile(tool), "content of bin/tool");
      assert.equal((await Deno.stat(tool)).mode! & 0o777, 0o755);
    }),
});

Deno.test("a program that is there already is left as it is", () =>
  inFolder(async (dir) => {
    const target = join(dir, "program");
    const zip = sampleZip([file("main")]);
    await Promise.all([unpackProgram(zip, target), unpackProgram(zip, target)]);
    await Deno.writeTextFile(join(target, "main"), "changed");
    await unpackProgram(zip, target);
    assert.equal(await Deno.readTextFile(join(target, "main")), "changed");
    assert.equal((await Array.fromAsync(Deno.readDir(dir))).length, 1);
  }));

const PATHS_REFUSED = [
  "../main",
  "a/../../main",
  "/etc/passwd",
  "a//b",
  "./main",
  "a/.",
  "..",
  "a\\b",
  "..\\main",
  "C:/main",
  "c:main",
  "main\0.txt",
  "new\nline",
  "",
  "x".repeat(256),
  `${"d/".repeat(40)}main`,
  `${"d".repeat(200)}/`.repeat(6) + "main",
];

for (const name of PATHS_REFUSED) {
  Deno.test(`the entry name ${JSON.stringify(name.slice(0, 30))} is refused`, () =>
    refuses(sampleZip([file("ok"), file(name)]), /not a path inside the program/));
}

Deno.test("links are taken as they are, inside the program and nowhere else", async () => {
  const link = (name: string, data: string, fields = {}) =>
    file(name, { mode: 0o120777, data, ...fields });
  await inFolder(async (dir) => {
    const zip = sampleZip([link("bin/tool", "../main"), file("main", { mode: 0o100755 })]);
    await unpackProgram(zip, join(dir, "p"));
    assert.equal(await Deno.readTextFile(join(dir, "p/bin/tool")), "content");
  });
  await refuses(sampleZip([link("a", "/etc/passwd")]), /"a" leads out of the program/);
  await refuses(sampleZip([link("a/b", "../../x")]), /leads out/);
  await refuses(sampleZip([link("a/b", "../.."), link("c", "a/b/x")]), /leads out/);
  await refuses(sampleZip([link("a", "b"), file("a/x")]), /clashes/);
  await refuses(sampleZip([file("a/x"), link("a", "b")]), /clashes/);
  await refuses(sampleZip([link("a", "b"), link("a", "c")]), /clashes/);
  await refuses(sampleZip([link("a", "b"), link("A", "b")]), /clashes/);
  await refuses(sampleZip([link("a", "a")]), /too many links/);
  await refuses(sampleZip([link("a", "b", { method: 8 })]), /compressed/);
  await refuses(sampleZip([link("a", "b", { crc: 1 })]), /checksum/);
  await refuses(
    sampleZip([
      link("a", "b", {
        packed: Uint8Array.of(0xff),
        crc: crc32(Uint8Array.of(0xff)),
        declaredSize: 1,
      }),
    ]),
    /not UTF-8/,
  );
  await refuses(sampleZip([link("a", "x".repeat(2_000))]), /too long a link/);
});

Deno.test("devices and special bits are refused", async () => {
  await refuses(sampleZip([file("main", { mode: 0o020666 })]), /neither a file nor a folder/);
  await refuses(sampleZip([file("main", { mode: 0o040755 })]), /neither a file nor a folder/);
  await refuses(sampleZip([file("dir/", { mode: 0o100755, data: "" })]), /neither/);
  await refuses(sampleZip([file("main", { mode: 0o104755 })]), /setuid/);
  await refuses(sampleZip([file("main", { mode: 0o102755 })]), /setuid/);
  await refuses(sampleZip([file("main", { mode: 0o101755 })]), /setuid/);
});

Deno.test("entries that would meet on some file system are refused", async () => {
  await refuses(sampleZip([file("main"), file("main")]), /clashes/);
  await refuses(sampleZip([file("main"), file("MAIN")]), /clashes/);
  await refuses(sampleZip([file("a/x"), file("A/y")]), /clashes/);
  await refuses(sampleZip([file("a"), file("a/b")]), /clashes/);
  await refuses(sampleZip([file("a/b"), file("a")]), /clashes/);
  await refuses(
    sampleZip([file("\u00e9", { flags: 0x800 }), file("e\u0301", { flags: 0x800 })]),
    /clashes/,
  );
});

Deno.test("encrypted entries, unknown flags and other compressions are refused", async () => {
  await refuses(sampleZip([file("main", { flags: 1 })]), /encrypted/);
  await refuses(sampleZip([file("main", { flags: 0x2000 })]), /unknown flags/);
  await refuses(sampleZip([file("main", { method: 14 })]), /compression method 14/);
  await refuses(sampleZip([file("h\u00e9", { flags: 0 })]), /neither ASCII nor marked/);
  await refuses(sampleZip([file("main", { extra: [0x7075, 4] })]), /0x7075/);
  await refuses(sampleZip([file("main", { extra: [0x0001, 16] })]), /0x0001/);
});

Deno.test("an entry that unpacks to another size than it declares is refused", async () => {
  const bomb = file("main", { data: "\0".repeat(5_000_000), declaredSize: 10, method: 8 });
  await refuses(sampleZip([bomb]), /more than it declares/);
  await refuses(sampleZip([file("main", { declaredSize: 50, method: 8 })]), /less than it/);
  await refuses(sampleZip([file("main", { declaredSize: 3, method: 0 })]), /two sizes/);
});

Deno.test("damaged content is refused", async () => {
  await refuses(sampleZip([file("main", { crc: crc32("other") })]), /checksum/);
  await refuses(
    sampleZip([file("main", { packed: Uint8Array.of(7, 7, 7), method: 8 })]),
    /deflate/,
  );
});

Deno.test("bombs are refused by what they declare, before a byte is unpacked", async () => {
  const half = Math.ceil(PROGRAM_UNPACKED_BYTES_MAX / 2) + 1;
  const huge = (name: string) => file(name, { declaredSize: half, method: 8 });
  await refuses(sampleZip([huge("a"), huge("b")]), /unpacks to/);
  const many = Array.from({ length: PROGRAM_ENTRIES_MAX + 1 }, (_, n) => file(`f${n}`));
  await refuses(sampleZip(many), /more than 10000 entries/);
});

Deno.test("headers that tell two stories are refused", async () => {
  await refuses(sampleZip([file("main", { localName: "evil" })]), /disagree/);
  await refuses(sampleZip([file("main", { localMethod: 0, method: 8 })]), /disagree/);
  await refuses(sampleZip([file("a"), file("b")], { offsets: [0, 0] }), /overlap or leave a gap/);
  await refuses(sampleZip([file("a", { descriptor: "lie" })]), /data descriptor disagree/);
});

Deno.test("a true data descriptor is taken, with and without its signature", async () => {
  for (const descriptor of ["signed", "plain"] as const) {
    const [entry] = await readZip(sampleZip([file("main", { descriptor })]));
    assert.equal(entry!.path, "main");
    await inFolder((dir) =>
      unpackProgram(sampleZip([file("main", { descriptor })]), join(dir, "p"))
    );
  }
});

Deno.test("bytes before, between and after the archive are refused", async () => {
  const zip = sampleZip([file("main")]);
  await refuses(new Uint8Array([0, ...zip]), /directory is not where/);
  await refuses(new Uint8Array([...zip, 0]), /followed by other bytes/);
  await refuses(zip.subarray(0, -1), /cut off/);
  await refuses(new Uint8Array(), /not a zip/);
  await refuses(sampleZip([file("main")], { gap: 8 }), /belong to no entry/);
  await refuses(sampleZip([file("main")], { comment: "hi" }), /cut off|comment/);
  await refuses(sampleZip([]), /empty/);
  await refuses(sampleZip([file("main")], { count: 0xffff }), /zip64/);
  await refuses(sampleZip([file("main")], { count: 2 }), /damaged/);
});

Deno.test("whatever is changed in an archive, it is read alike or refused cleanly", async () => {
  const link = file("bin/tool", { mode: 0o120777, data: "../main" });
  const zip = sampleZip([file("main", { method: 8 }), link, file("lib/data")]);
  await fc.assert(
    fc.asyncProperty(fc.nat(zip.length - 1), fc.nat(255), async (at, value) => {
      const changed = zip.slice();
      changed[at] = value;
      try {
        await readZip(changed);
      } catch (error) {
        assert(error instanceof KhachapuriError, String(error));
        assert.equal(error.code, "invalid_program");
      }
    }),
    { numRuns: 500 },
  );
});
