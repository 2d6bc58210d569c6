/** When a successor is started, and what becomes of one that does not serve. Real processes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { hearLog } from "../../../worlds/heard_log.ts";
import { inFolder } from "../../../worlds/home.ts";
import { livingProcesses, survivors } from "../../../worlds/processes.ts";
import { KhachapuriError } from "../../errors.ts";
import { launch } from "./launch.ts";
import { type ReloadParts, Reloads } from "./reload.ts";
import type { Notice } from "./service_manager.ts";
import type { Standing } from "./standing.ts";

const standing = (rpc: string): Standing => ({
  config: { rpc },
  terms: new Map(),
  keys: null,
  file: "/program",
  fileMark: "1",
});

interface World {
  reloads: Reloads;
  /** What the files say now. */
  now: { rpc: string };
  told: Notice[];
  lines: readonly string[];
  /** The successor serves. */
  succeed: () => void;
  /** What the successor's process is. */
  command: string;
}

async function withReloads(
  program: string,
  test: (world: World) => Promise<void>,
  parts: Partial<ReloadParts> = {},
): Promise<void> {
  await inFolder(async (dir) => {
    const file = join(dir, "program");
    await Deno.writeTextFile(file, `#!/bin/sh\n${program}\n`, { mode: 0o755 });
    const { promise: succeeded, resolve: succeed } = Promise.withResolvers<void>();
    const { log, lines } = hearLog();
    const now = { rpc: "http://one/" };
    const told: Notice[] = [];
    const reloads = new Reloads({
      standing: standing("http://one/"),
      look: () => Promise.resolve(standing(now.rpc)),
      renewCertificate: () => Promise.resolve(false),
      launch: () => launch({ file, args: [], isWaitedFor: false }),
      succeeded,
      tell: (notice) => Promise.resolve(void told.push(notice)),
      log,
      now: Date.now,
      ...parts,
    });
    await test({ reloads, now, told, lines, succeed, command: `/bin/sh ${file}` });
    reloads.successor?.signal("SIGKILL");
    assert.equal(await survivors(`/bin/sh ${file}`), "");
  });
}

const HANGS = "trap '' TERM HUP INT\nwhile :; do sleep 0.05; done";

Deno.test("where nothing has changed nothing is started, and a certificate is read in place", async () => {
  await withReloads(HANGS, async ({ reloads, told, command }) => {
    assert.deepEqual(await reloads.reload(), { outcome: "unchanged" });
    assert.equal(await livingProcesses(command), "");
    assert.deepEqual(told, []);
  });
  await withReloads(HANGS, async ({ reloads }) => {
    assert.deepEqual(await reloads.reload(), { outcome: "certificate" });
  }, { renewCertificate: () => Promise.resolve(true) });
});

Deno.test("what has changed starts a successor, which the manager and the log are told of", () =>
  withReloads(HANGS, async ({ reloads, now, told, lines, succeed }) => {
    now.rpc = "http://u:pw@two/KEY";
    const progress: string[] = [];
    const reloading = reloads.reload({ onProgress: (line) => progress.push(line) });
    succeed();
    const done = await reloading;
    const pid = reloads.successor!.pid;
    assert.deepEqual(done, {
      outcome: "succeeded",
      pid,
      changes: ['rpc: "http://one/" → "http://two/…"'],
    });
    assert.deepEqual(told.map((notice) => Object.keys(notice)), [["RELOADING", "STATUS"], [
      "MAINPID",
    ]]);
    assert.equal(told[1]!.MAINPID, String(pid));
    assert.doesNotMatch(progress.join() + lines.join(), /KEY|pw/);
  }));

Deno.test("one that hangs is given up after its time, and does not live on", () =>
  withReloads(HANGS, async ({ reloads, told, command }) => {
    const giveUp = reloads.reload({ isForced: true });
    await assert.rejects(giveUp, /did not come to serve within 0.5 s and was ended/);
    assert.equal(await livingProcesses(command), "");
    assert.equal(reloads.successor, null);
    assert.equal(told.at(-1)!.READY, "1", "reloading has an end");
    await assert.rejects(reloads.reload({ isForced: true }), { code: "provider_unavailable" });
  }, { withinMs: 500 }));

Deno.test("one that ends before it serves is told by its exit code, or by its own words", async () => {
  await withReloads("exit 5", async ({ reloads }) => {
    await assert.rejects(reloads.reload({ isForced: true }), /exit code 5 before it served/);
  });
  await withReloads(HANGS, async ({ reloads, command, lines }) => {
    const refused = reloads.reload({ isForced: true });
    // It says so once it runs.
    while (reloads.successor === null) await new Promise((resolve) => setTimeout(resolve));
    reloads.refused({ code: "invalid_config", message: "no terms", hints: ["write them"] });
    await assert.rejects(refused, {
      code: "invalid_config",
      shortMessage: "no terms",
      hints: ["write them"],
    });
    assert.equal(await livingProcesses(command), "");
    assert.match(lines.join(), /everything stays as it is.*invalid_config/);
  });
});

Deno.test("a second reload while one is under way is refused by name", () =>
  withReloads(HANGS, async ({ reloads, succeed }) => {
    const first = reloads.reload({ isForced: true });
    await assert.rejects(reloads.reload({ isForced: true }), {
      code: "overloaded",
      shortMessage: "another reload is under way, for 0 s",
    });
    succeed();
    assert.equal((await first).outcome, "succeeded");
  }));

Deno.test("files that say nothing right start nobody", () =>
  withReloads(HANGS, async ({ reloads, command, told }) => {
    await assert.rejects(reloads.reload({ isForced: true }), { code: "invalid_config" });
    assert.equal(await livingProcesses(command), "");
    assert.deepEqual(told, []);
  }, {
    look: () => Promise.reject(new KhachapuriError("invalid_config", "no price")),
  }));

Deno.test("one that is to end ends the successor that does not serve yet", () =>
  withReloads(HANGS, async ({ reloads, command }) => {
    const reloading = reloads.reload({ isForced: true });
    while (reloads.successor === null) await new Promise((resolve) => setTimeout(resolve));
    reloads.close();
    await assert.rejects(reloading, /ended with exit code 137/);
    assert.equal(await livingProcesses(command), "");
  }));
