/**
 * What strangers' bytes do in the relay, which stands outside of the sandbox: questions at its
 * resolver, addresses in answers, its policy, and what comes by the socket from inside. In C, under
 * sanitizers, with seeds that a failure names.
 */
import assert from "node:assert/strict";
import { seededRandom } from "../worlds/random.ts";

const INIT = new URL("init/", import.meta.url).pathname;
const HARNESS = new URL("harness/relay_fuzz.c", import.meta.url).pathname;
const SCALE = Number(Deno.env.get("KHACHAPURI_FUZZ") ?? 60) / 60;
/** All of the relay, but for what it gives up. */
const PARTS = "address connections dns doors egress flow lookup names passing policy ports rate"
  .concat(" relay route sys");
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
  .concat("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread", `-I${INIT}`);

const ROUNDS = { questions: 300_000, policies: 300_000, addresses: 300_000, relay: 12 };

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  assert(success, `${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

Deno.test("whatever reaches the relay, it neither breaks nor grows", async (t) => {
  const binary = await Deno.makeTempFile();
  const sources = PARTS.split(" ").map((name) => `${INIT}${name}.c`);
  await run("gcc", [...FLAGS, "-o", binary, HARNESS, ...sources]);
  const seed = String(seededRandom("relay").seed);
  for (const [target, rounds] of Object.entries(ROUNDS)) {
    await t.step(`${target}, seed ${seed}`, async () => {
      const reached = Number(await run(binary, [target, seed, String(rounds * SCALE)]));
      // Not all of it was refused at the first byte.
      assert(reached > rounds / 100, `${reached} of ${rounds}`);
    });
  }
  await Deno.remove(binary);
});
