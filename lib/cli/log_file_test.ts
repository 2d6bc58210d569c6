import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { LogFile } from "./log_file.ts";

const line = (at: number) => `${JSON.stringify({ at, text: "x".repeat(80) })}\n`;

Deno.test("a log takes so much disk and no more, and keeps what came last", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "log");
    const log = LogFile.open(path, 1_000);
    for (let at = 0; at < 1_000; at++) log.write(line(at));
    log.close();
    const names = (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort();
    assert.deepEqual(names, ["log", "log.1", "log.2", "log.3", "log.4"]);
    let text = "";
    for (const name of names.toReversed()) {
      const part = await Deno.readTextFile(join(dir, name));
      assert.ok(part.length <= 1_000, name);
      text += part;
    }
    // Whole lines, in order, up to the last.
    const told = text.trimEnd().split("\n").map((each) => JSON.parse(each).at);
    assert.deepEqual(told, told.map((_, index) => 1_000 - told.length + index));
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  });
});

Deno.test("a log goes on where an earlier process left it", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "log");
    for (const at of [1, 2]) {
      const log = LogFile.open(path, 1_000);
      log.write(line(at));
      log.close();
    }
    assert.equal(await Deno.readTextFile(path), line(1) + line(2));
  });
});

Deno.test("a file that cannot be opened is refused in words", () => {
  const open = () => LogFile.open("/nowhere/at/all/log", 1_000);
  assert.throws(open, { code: "file_unusable", message: /cannot be written/ });
});

Deno.test("what cannot be written is lost, told of later, and ends nothing", async () => {
  await inFolder(async (dir) => {
    let now = 0;
    const path = join(dir, "log");
    const log = LogFile.open(path, 100, () => now);
    log.write(line(0));
    // Folders in the way of the renamed file.
    const folders = [1, 2, 3, 4].map((at) => join(dir, `log.${at}`));
    for (const folder of folders) await Deno.mkdir(join(folder, "a"), { recursive: true });
    log.write(line(1));
    log.write(line(2));
    for (const folder of folders) await Deno.remove(folder, { recursive: true });
    log.write(line(3));
    now = 5_000;
    log.write(line(4));
    log.close();
    const text = await Deno.readTextFile(path);
    assert.match(text, /"log lines were lost","lines":3/);
    assert.ok(text.endsWith(line(4)));
  });
});
