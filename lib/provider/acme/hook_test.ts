import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../../worlds/home.ts";
import { helperPath } from "../../../sandbox/native.ts";
import { hookChange } from "./hook.ts";

const { signal } = new AbortController();
/** Descriptors of the shell itself, as /proc has them. */
const LIST = 'for fd in 3 4; do [ -e /proc/$$/fd/$fd ] && echo $fd; done >"$1"; true';
const RECORD = { name: "_acme-challenge.a.example", text: "-rf $(id) 'x'" };

async function run(script: string, timeoutSeconds = 20) {
  await using folder = await makeFolder();
  const path = join(folder.dir, "hook");
  await Deno.writeTextFile(path, `#!/bin/sh\n${script.replaceAll("DIR", folder.dir)}\n`, {
    mode: 0o755,
  });
  const change = hookChange({ command: [path, "first"], timeoutSeconds });
  await change("add", RECORD, signal);
  return await Deno.readTextFile(join(folder.dir, "said")).catch(() => "");
}

Deno.test("a hook is told what to do as arguments, as they are", async () => {
  const said = await run(`printf '%s|' "$@" >DIR/said; env | sort | cut -d= -f1 >>DIR/said`);
  const [line, ...names] = said.trim().split("\n");
  assert.equal(line, `first|present|${RECORD.name}|${RECORD.text}|LANG`);
  assert.deepEqual(names.filter((name) => !["PWD", "_", "OLDPWD", "SHLVL"].includes(name)), [
    "PATH",
  ]);
});

Deno.test("nothing that a service manager holds for the provider is open in a hook", async () => {
  await using folder = await makeFolder();
  const said = join(folder.dir, "said");
  const script = `exec 3</dev/null 4</dev/null; exec "$@"`;
  const { code } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", await helperPath(), "hook", "5", "/bin/sh", "-c", LIST, "sh", said],
    stdin: "piped",
  }).spawn().status;
  assert.equal(code, 0);
  // 0 to 2, and the folder that is read.
  assert.deepEqual((await Deno.readTextFile(said)).match(/\b[34]\b/g) ?? [], []);
});

Deno.test("what a hook fails with is told with what it said", async () => {
  const failing = run("echo 'no such \x1b[2Jzone' >&2; exit 3");
  await assert.rejects(failing, {
    code: "no_certificate",
    message: /present _acme-challenge\.a\.example: it ended with status 3: no such +\[2Jzone/,
  });
  const missing = hookChange({ command: ["/nonexistent"], timeoutSeconds: 1 });
  await assert.rejects(missing("remove", RECORD, signal), {
    message: /cleanup .*can't be started/,
  });
});

Deno.test("a hook that does not end is ended, with what it started", async () => {
  const late = run("sleep 1000 & sleep 1000", 1);
  await assert.rejects(late, { message: /it took longer than 1 s/ });
});

Deno.test("a hook ends when the provider does", async () => {
  const stopping = new AbortController();
  const change = hookChange({ command: ["/bin/sh", "-c", "sleep 1000"], timeoutSeconds: 200 });
  const ended = assert.rejects(change("add", RECORD, stopping.signal));
  stopping.abort();
  await ended;
});
