import assert from "node:assert/strict";
import { join } from "node:path";
import * as v from "valibot";
import { createPrivateJsonFile, openHomeFile, readJsonFile, replaceJsonFile } from "./home_file.ts";
import { parseShape } from "./shape.ts";

const shape = v.strictObject({ numbers: v.array(v.pipe(v.number(), v.maxValue(99))) });

const openNumbers = (path: string) =>
  openHomeFile<readonly number[]>(path, {
    empty: [],
    parse: (json, what) => parseShape(shape, json, what, "invalid_config").numbers,
    toJson: (numbers) => ({ numbers }),
  });

async function inHome(test: (path: string, home: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(join(dir, "home", "numbers.json"), join(dir, "home"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const namesIn = async (dir: string) =>
  (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();

Deno.test("a file that does not exist has the empty content, and reading makes nothing", () =>
  inHome(async (path, home) => {
    assert.deepEqual(await openNumbers(path).read(), []);
    await assert.rejects(Deno.stat(home), Deno.errors.NotFound);
  }));

Deno.test("a change is read back, from a file and a folder that are their user's alone", () =>
  inHome(async (path, home) => {
    await openNumbers(path).change((numbers) => [...numbers, 7]);
    assert.deepEqual(await openNumbers(path).read(), [7]);
    assert.equal(await Deno.readTextFile(path), '{\n  "numbers": [\n    7\n  ]\n}\n');
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(home)).mode! & 0o777, 0o700);
    assert.deepEqual(await namesIn(home), ["numbers.json", "numbers.json.lock"]);
  }));

Deno.test("writers at the same time lose nothing, and a reader never sees half a file", () =>
  inHome(async (path) => {
    const all = Array.from({ length: 20 }, (_, index) => index);
    const read: Promise<readonly number[]>[] = [];
    await Promise.all(all.map(async (number) => {
      await openNumbers(path).change((numbers) => {
        read.push(openNumbers(path).read());
        return [...numbers, number];
      });
    }));
    const numbers = await openNumbers(path).read();
    assert.deepEqual(numbers.toSorted((a, b) => a - b), all);
    for (const seen of await Promise.all(read)) assert.ok(seen.length <= all.length);
  }));

Deno.test("content that comes back as it was is not written again", () =>
  inHome(async (path) => {
    await openNumbers(path).change(() => [1]);
    const { ino } = await Deno.stat(path);
    await openNumbers(path).change((numbers) => numbers);
    assert.equal((await Deno.stat(path)).ino, ino);
  }));

Deno.test("a change that fails leaves the file as it was and nobody locked out", () =>
  inHome(async (path, home) => {
    await openNumbers(path).change(() => [1]);
    const failing = openNumbers(path).change(() => {
      throw new RangeError("no");
    });
    await assert.rejects(failing, RangeError);
    const unreadable = openNumbers(path).change(() => [100]);
    await assert.rejects(unreadable, { code: "invalid_config" });
    assert.deepEqual(await openNumbers(path).read(), [1]);
    await openNumbers(path).change((numbers) => [...numbers, 2]);
    assert.deepEqual(await openNumbers(path).read(), [1, 2]);
    assert.deepEqual(await namesIn(home), ["numbers.json", "numbers.json.lock"]);
  }));

/** Another process changes the file, and ends with the new bytes written but not in place. */
async function crashWhileChanging(path: string): Promise<void> {
  const module = new URL("./home_file.ts", import.meta.url).href;
  const script = `${path}.ts`;
  await Deno.writeTextFile(
    script,
    `import { openHomeFile } from ${JSON.stringify(module)};
    Deno.rename = () => Deno.exit(9);
    const format = { empty: {}, parse: (json) => json, toJson: (json) => json };
    await openHomeFile(${JSON.stringify(path)}, format).change(() => ({ numbers: [2] }));`,
  );
  const config = new URL("../deno.json", import.meta.url).pathname;
  const flags = ["--no-check", "--frozen", "--no-prompt", "--config", config];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, "--allow-read", "--allow-write", script],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 9, new TextDecoder().decode(stderr));
  await Deno.remove(script);
}

Deno.test("a writer that dies before its file is in place leaves the old one, and no lock", () =>
  inHome(async (path, home) => {
    await openNumbers(path).change(() => [1]);
    await crashWhileChanging(path);
    assert.equal((await namesIn(home)).length, 3, "what it had written is there");
    assert.deepEqual(await openNumbers(path).read(), [1]);
    await openNumbers(path).change((numbers) => [...numbers, 3]);
    assert.deepEqual(await openNumbers(path).read(), [1, 3]);
  }));

Deno.test("a damaged file is named, and neither read as empty nor overwritten", () =>
  inHome(async (path, home) => {
    await Deno.mkdir(home);
    for (const text of ["", "{", "null", '{"numbers":[1],"more":1}', '{"numbers":["1"]}']) {
      await Deno.writeTextFile(path, text);
      const named = { code: "invalid_config", message: /numbers\.json/ };
      await assert.rejects(openNumbers(path).read(), named, text);
      await assert.rejects(openNumbers(path).change(() => [1]), named, text);
      assert.equal(await Deno.readTextFile(path), text);
    }
  }));

Deno.test("a byte order mark before it is no damage", () =>
  inHome(async (path, home) => {
    await Deno.mkdir(home);
    await Deno.writeTextFile(path, '\ufeff{"a":1}');
    assert.deepEqual(await readJsonFile(path), { a: 1 });
  }));

Deno.test("a new private file never takes the place of another", () =>
  inHome(async (path, home) => {
    await createPrivateJsonFile(path, { numbers: [1] });
    await assert.rejects(createPrivateJsonFile(path, {}), Deno.errors.AlreadyExists);
    assert.deepEqual(await openNumbers(path).read(), [1]);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.deepEqual(await namesIn(home), ["numbers.json"]);
  }));

Deno.test("a file to be published takes the mode that it is given", () =>
  inHome(async (path) => {
    await createPrivateJsonFile(path, {});
    await replaceJsonFile(path, { numbers: [] }, 0o640);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o640);
    assert.deepEqual(await openNumbers(path).read(), []);
  }));
