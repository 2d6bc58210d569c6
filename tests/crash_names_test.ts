/**
 * A process that changes names, killed at any instant: what it said was done is done, and nothing
 * is half done. `deno task test:crash` kills often, among the other tests it is a short run.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { NameRegister } from "../lib/provider/naming/register.ts";
import { makeFolder } from "../worlds/home.ts";
import { changedCid, LABELS } from "../worlds/naming/changed_names.ts";
import { seededRandom } from "../worlds/random.ts";

const KILLS = Math.ceil(Number(Deno.env.get("KHACHAPURI_KILLS") ?? 10) * 0.5);
/** It is killed after as many changes at most. */
const CHANGES_MAX = 60;

/** Lets a process change names at `path` until it has made so many changes, and kills it. */
async function changeUntilKilled(path: string, changes: number): Promise<Map<string, number>> {
  const script = new URL("../worlds/naming/changing_process.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--frozen", "--allow-read", "--allow-write", script, path],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const said = new Map<string, number>();
  let [lines, isKilled] = [0, false];
  let rest = "";
  for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + part).split("\n");
    rest = whole.pop()!;
    for (const line of whole) {
      const [label, sequence] = line.split(" ");
      said.set(label!, Number(sequence));
      lines += 1;
    }
    if (lines >= changes && !isKilled) process.kill("SIGKILL");
    isKilled ||= lines >= changes;
  }
  assert.equal((await process.status).signal, "SIGKILL");
  return said;
}

/** Each name stands where one of its changes has put it, no earlier than the last that was told. */
function assertWhole(path: string, said: ReadonlyMap<string, number>): void {
  using database = new DatabaseSync(path);
  const [{ integrity_check: verdict }] = database.prepare("PRAGMA integrity_check")
    .all() as [{ integrity_check: string }];
  assert.equal(verdict, "ok");
  const register = new NameRegister(database, Date.now);
  for (const label of LABELS) {
    const sequence = register.sequence(label);
    const told = said.get(label) ?? 0;
    assert.ok(sequence === told || sequence === told + 1, `${label}: ${sequence}, told ${told}`);
    const cid = changedCid(label, sequence);
    assert.equal(register.get(label)?.cid ?? "", sequence === 0 ? "" : cid);
    const history = register.history(label);
    assert.equal(history[0]?.sequence ?? null, register.has(label) ? sequence : null);
    for (const [index, move] of history.entries()) {
      assert.equal(move.sequence, sequence - index);
      assert.equal(move.cid, changedCid(label, move.sequence));
    }
  }
}

Deno.test(`no name is lost or half moved in ${KILLS} kills`, async () => {
  await using folder = await makeFolder();
  const random = seededRandom("crash, names");
  const path = join(folder.dir, "names.db");
  const said = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const changes = random.between(1, CHANGES_MAX);
    for (const [label, sequence] of await changeUntilKilled(path, changes)) {
      said.set(label, sequence);
    }
    assertWhole(path, said);
    // What was done and not told is where the next one goes on.
    using database = new DatabaseSync(path);
    const register = new NameRegister(database, Date.now);
    for (const label of LABELS) said.set(label, register.sequence(label));
  }
});
