/** README's chain of one's own, word for word: its commands, in a shell, from an empty home. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { makeFolder } from "../worlds/home.ts";
import { commandFromSource } from "../worlds/local_world.ts";

const README = join(import.meta.dirname!, "..", "README.md");
const RPC = "http://127.0.0.1:8545";

/** The block of commands that begins with the one of README's local chain. */
function commandsOf(readme: string): string {
  const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]!);
  return blocks.find((block) => block.includes("contracts deploy --with-usdc"))!;
}

Deno.test("README's chain of one's own works as it is written, from an empty home", async () => {
  await using anvil = await startAnvil();
  await using folder = await makeFolder();
  const bin = join(folder.dir, "bin");
  await Deno.mkdir(bin);
  const words = commandFromSource().map((word) => `'${word}'`).join(" ");
  await Deno.writeTextFile(join(bin, "khachapuri"), `#!/bin/sh\nexec ${words} "$@"\n`);
  await Deno.chmod(join(bin, "khachapuri"), 0o755);
  const commands = commandsOf(await Deno.readTextFile(README));
  assert.ok(commands.includes(RPC), "it names anvil's own port");
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", commands.replaceAll(RPC, anvil.url)],
    clearEnv: true,
    env: { HOME: folder.dir, PATH: `${bin}:/usr/bin:/bin`, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.equal(code, 0, said + new TextDecoder().decode(stderr));
  assert.match(said, /deposited 5 USDC, free balance 5 USDC/);
  assert.match(said, /wallet +999995 USDC/);
  assert.match(said, /minted 100 USDC for 0x7099/);
});
