/** Real processes: what is launched, and who attends to it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { HELPER } from "../../../tools/permissions.ts";
import { inFolder } from "../../../worlds/home.ts";
import { livingProcesses, survivors } from "../../../worlds/processes.ts";
import { activated } from "../../../worlds/service_manager.ts";
import { launch } from "./launch.ts";

const ROOT = join(import.meta.dirname!, "../../..");

async function script(dir: string, text: string, name = "program"): Promise<string> {
  const path = join(dir, name);
  await Deno.writeTextFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await Deno.chmod(path, 0o755);
  return path;
}

/** Waits until a script has written this file whole. */
async function said(path: string): Promise<string> {
  for await (const _ of Deno.watchFs(join(path, ".."))) {
    const text = await Deno.readTextFile(path).catch(() => "");
    if (text.endsWith("\n")) return text.trim();
  }
  throw new Error("unreachable");
}

Deno.test("a file is started in a session of its own, with its arguments, and its end is told", () =>
  inFolder(async (dir) => {
    const file = await script(
      dir,
      'echo "$$ $(ps -o sid= -p $$) $1 $2" >"$3.new"; mv "$3.new" "$3"; exit 7',
    );
    const out = join(dir, "out");
    const started = await launch({ file, args: ["a b", "*", out], isWaitedFor: false });
    assert.equal(await started.ended, 7);
    const [pid, sid, ...rest] = (await Deno.readTextFile(out)).trim().split(/\s+/);
    assert.deepEqual([pid, sid, rest.join(" ")], [`${started.pid}`, `${started.pid}`, "a b *"]);
  }));

Deno.test("an attendant passes signals on, to the last of many, and ends with its exit code", () =>
  inFolder(async (dir) => {
    // Each of five starts the next one as a provider does, and ends; the last one stays.
    const helper = join(ROOT, HELPER);
    const file = await script(
      dir,
      `echo >"$2/$1"
       if [ "$1" -lt 5 ]; then
         ${helper} launch "$0" $(($1 + 1)) "$2" &
         until [ -e "$2/$(($1 + 1))" ]; do sleep 0.02; done
         exit 3
       fi
       trap 'echo hup >"$2/hup.new"; mv "$2/hup.new" "$2/hup"' HUP
       trap 'exit 42' TERM
       echo up >"$2/up.new"; mv "$2/up.new" "$2/up"
       while :; do sleep 0.05; done`,
    );
    const [up, hup] = [said(join(dir, "up")), said(join(dir, "hup"))];
    const attended = await launch({ file, args: ["1", dir], isWaitedFor: true });
    await up;
    assert.equal((await livingProcesses(`attend ${file}`)).trim().split("\n").length, 1);
    // The one before ends once it has seen the last, and that one forks from time to time.
    const deadline = performance.now() + 30_000;
    while ((await livingProcesses(`/bin/sh ${file}`)).trim().split("\n").length > 1) {
      assert(performance.now() < deadline, "those before the last have not ended");
    }
    attended.signal("SIGHUP");
    assert.equal(await hup, "hup");
    attended.signal("SIGTERM");
    assert.equal(await attended.ended, 42);
  }));

Deno.test("whoever is ended by force takes what it attends to with it", () =>
  inFolder(async (dir) => {
    const file = await script(
      dir,
      `trap '' TERM HUP INT
      echo up >"$1/up.new"; mv "$1/up.new" "$1/up"
      while :; do sleep 0.05; done`,
    );
    const up = said(join(dir, "up"));
    const attended = await launch({ file, args: [dir], isWaitedFor: true });
    await up;
    attended.signal("SIGKILL");
    await attended.ended;
    assert.equal(await survivors(`/bin/sh ${file}`), "");
  }));

Deno.test("a successor gets the service manager's sockets under its own number, and nothing else", () =>
  inFolder(async (dir) => {
    const file = await script(
      dir,
      'echo "$$ $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES"; ls /proc/$$/fd',
    );
    // The provider stands between manager and helper: perl is it here, and holds a file besides.
    const helper = join(ROOT, HELPER);
    const provider = 'open(F, "/etc/passwd"); use Fcntl; fcntl(F, F_SETFD, 0); ' +
      'system($ARGV[0], "launch", $ARGV[1])';
    const run = async (sockets: Record<string, number>, env = {}) => {
      const [command, args] = activated(sockets, ["/usr/bin/perl", "-e", provider, helper, file]);
      const { stdout } = await new Deno.Command(command, { args, env }).output();
      return new TextDecoder().decode(stdout).trim().split(/\s+/);
    };
    const [pid, listenPid, count, names, ...descriptors] = await run({ listen: 0, http: 0 });
    assert.equal(listenPid, pid);
    assert.deepEqual([count, names], ["2", "listen:http"]);
    // The shell reads its script by 10.
    assert.deepEqual(descriptors.filter((fd) => fd !== "10"), ["0", "1", "2", "3", "4"]);
  }));
