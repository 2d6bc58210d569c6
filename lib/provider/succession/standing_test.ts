import assert from "node:assert/strict";
import { join } from "node:path";
import type { ConfigJson } from "../../config.ts";
import { openProviderHome } from "../../../worlds/provider_home.ts";
import { changesOf, readStanding } from "./standing.ts";

Deno.test("what a successor would do otherwise is found in every file that a start reads", async () => {
  await using home = await openProviderHome();
  const file = join(home.dir, "program");
  await Deno.writeTextFile(file, "one");
  const look = async (settings = {}) => {
    await home.write(settings);
    const json = JSON.parse(await Deno.readTextFile(join(home.dir, "config.json"))) as ConfigJson;
    return await readStanding(json, home.config(settings), file);
  };
  const first = await look();
  assert.deepEqual(changesOf(first, await look()), []);
  assert.deepEqual(changesOf(first, await look({ price: "2000" })), [
    'provider.price: "1000" → "2000"',
  ]);
  await Deno.writeTextFile(join(home.dir, "terms.txt"), "Be kinder.\n");
  await Deno.writeTextFile(`${file}.new`, "two");
  await Deno.rename(`${file}.new`, file);
  await Deno.chmod(home.keysPath, 0o600);
  const keys = await Deno.readTextFile(home.keysPath);
  await Deno.writeTextFile(home.keysPath, `${keys}\n`);
  const changes = changesOf(first, await look());
  assert.deepEqual(changes, [
    "terms.txt: another text",
    "the key file: other keys",
    `${file}: another file`,
  ]);
  assert.doesNotMatch(changes.join(), /AGE-SECRET|0x/);
  await Deno.remove(join(home.dir, "terms.txt"));
  assert.deepEqual(changesOf(first, await look())[0], "terms.txt: another text");
});
