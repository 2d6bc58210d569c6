/**
 * What is kept for owners, killed at random instants while it is pushed, given up and swept: at
 * each start all that is served is verified, and no push that was answered is lost.
 *
 * `deno task test:crash` kills often; among the other tests it is a short run. A run is repeated
 * with the seed that it prints.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseCid } from "../lib/cid.ts";
import { pause } from "../lib/pause.ts";
import { linesOf } from "../worlds/content/lines.ts";
import { openKeeper } from "../worlds/content/doomed_keeper.ts";
import { faultsOf, openDoomed } from "../worlds/content/doomed_unpacker.ts";
import { inFolder } from "../worlds/home.ts";
import { type Random, seededRandom } from "../worlds/random.ts";

const KILLS = Math.ceil(Number(Deno.env.get("KHACHAPURI_KILLS") ?? 10) * 0.5);
const MOST_BYTES = 2 ** 20;
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
const KEEPER = new URL("../worlds/content/doomed_keeper.ts", import.meta.url).pathname;
const UNPACKER = new URL("../worlds/content/doomed_unpacker.ts", import.meta.url).pathname;

/** What was said of roots in all lives: "unsure" where one was about to be given up. */
type Said = Map<string, "kept" | "unsure">;

/**
 * Lets one live for a random while, and kills it.
 * @param hear told each line that it says
 */
async function liveOnce(
  script: string,
  dir: string,
  random: Random,
  hear: (line: string) => void,
): Promise<void> {
  const flags = ["run", "--quiet", "--no-prompt", "--no-check", ...PERMISSIONS];
  const seed = String(random.between(1, 2 ** 30));
  const child = new Deno.Command(Deno.execPath(), {
    args: [...flags, script, dir, seed],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = linesOf(child.stdout);
  assert.equal((await lines.next()).value, "open");
  const heard = (async () => {
    for await (const line of lines) hear(line);
  })();
  await pause(random.between(0, 700));
  child.kill("SIGKILL");
  await child.status;
  await heard;
}

/** @returns how many roots are kept */
async function assertSound(dir: string, said: Said): Promise<number> {
  const { kept, parts } = await openKeeper(dir);
  try {
    const roots = kept.index.roots();
    const files = (await kept.files.list()).cars;
    assert.deepEqual([...files.keys()].sort(), roots.map(({ root }) => root).sort());
    for (const { root } of roots) {
      const file = await kept.readFile(parseCid(root), MOST_BYTES);
      assert.ok(file, `${root} is in the book, and not whole`);
    }
    for (const [root, what] of said) {
      if (what === "kept") {
        assert.ok(kept.index.find(root as never), `${root} was answered and lost`);
      }
    }
    for (const part of (await kept.files.list()).parts) {
      assert.equal(await kept.get(parseCid(part.root)) !== null, files.has(part.root));
      assert.ok(await parts.verified(part, MOST_BYTES) <= part.bytes);
    }
    return roots.length;
  } finally {
    kept.close();
  }
}

Deno.test("kill -9 at random instants loses nothing that was answered, and serves nothing else", () =>
  inFolder(async (dir) => {
    const random = seededRandom("crash, content");
    const said: Said = new Map();
    await Deno.mkdir(join(dir, "kept"));
    let [most, givenUp] = [0, 0];
    for (let kill = 0; kill < KILLS; kill++) {
      await liveOnce(KEEPER, dir, random, (line) => {
        const [what, root] = line.split(" ") as [string, string];
        said.set(root, what === "kept" ? "kept" : "unsure");
        if (what === "gone") givenUp += 1;
      });
      most = Math.max(most, await assertSound(dir, said));
    }
    assert.ok(most > 0, "nothing was ever kept: too short a life to prove anything");
    const report = JSON.stringify({ kills: KILLS, most, givenUp });
    Deno.stderr.writeSync(new TextEncoder().encode(`content: ${report}\n`));
    assert.ok(givenUp > 0, "nothing was ever given up for want of room, or in time");
  }));

Deno.test("a program that was being unpacked, or given up, at a kill is whole when it is called", () =>
  inFolder(async (dir) => {
    const random = seededRandom("crash, unpack");
    await Deno.mkdir(join(dir, "programs"));
    for (let kill = 0; kill < KILLS; kill++) {
      await liveOnce(UNPACKER, dir, random, () => {});
      const { specs, programs } = await openDoomed(dir);
      for (const [program, spec] of specs.entries()) {
        const { path, release } = await programs.acquire(spec);
        assert.deepEqual(await faultsOf(path, program), []);
        release();
      }
      await programs.close();
    }
  }));
