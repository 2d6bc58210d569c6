import assert from "node:assert/strict";
import { join } from "node:path";
import { makeEtc } from "../../../sandbox/etc.ts";
import { inFolder } from "../../../worlds/home.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { eachLauncher } from "../../../worlds/sandbox/launchers.ts";
import type { Runtimes } from "../../runtime.ts";
import { RUNTIME_TABLE } from "./runtime_table.ts";
import { findRuntimes, lookOnce, readFound } from "./runtimes.ts";

eachLauncher(
  "what is found is what programs find in the sandbox, with its version",
  (launcher) =>
    inFolder(async (dir) => {
      await Deno.chmod(dir, 0o711);
      const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
      const host = { ...launcher, runUid, etc: makeEtc(join(dir, "etc")) };
      const { found, lacking } = await findRuntimes(host, 256);
      const of = (name: string) => found.find((runtime) => runtime.name === name);
      assert.deepEqual(of("sh"), {
        name: "sh",
        kind: "interpreter",
        version: null,
        path: "/usr/bin/sh",
      });
      // Their links lead through /etc/alternatives, which programs see a copy of.
      assert.match(of("awk")!.version ?? "unknown", /^(unknown|\d[\d.]*)$/);
      assert.match(of("perl")!.version!, /^5\.\d+\.\d+$/);
      assert.match(of("curl")!.version!, /^\d+\.\d+\.\d+$/);
      const families = [...lacking, ...found.map(({ name }) => name)];
      assert.ok(families.length >= Object.keys(RUNTIME_TABLE).length);
      for (const { path } of found) assert.match(path, /^\/usr\/(local\/)?bin\/[\w.-]+$/);
    }),
);

const PRINTED = `found /usr/bin/python3
found /usr/bin/python3-config
found /usr/bin/java
found /usr/bin/perl
found /usr/bin/ruby
found /usr/bin/yq
listed
said /usr/bin/python3 Python 3.11.2
said /usr/bin/java openjdk 21 2023-09-19
broken /usr/bin/ruby
said /usr/bin/yq yq 0.0.0
said /usr/bin/perl  This is perl 5, version 36, subversion 0 (v5.36.0) built for x
`;

Deno.test("the version is the first number with a dot, or the first; what cannot be started is not there", () => {
  const { found, lacking } = readFound(PRINTED)!;
  assert.deepEqual(found.map(({ name, kind, version }) => [name, kind, version]), [
    ["python3", "interpreter", "3.11.2"],
    ["java", "interpreter", "21"],
    ["perl", "interpreter", "5.36.0"],
    ["yq", "tool", null],
  ]);
  assert.ok(lacking.includes("ruby") && !lacking.includes("python"));
});

Deno.test("a list that was cut off says nothing of what is lacking; versions may be", () => {
  assert.equal(readFound("found /usr/bin/python3\n"), null);
  const { found } = readFound("found /usr/bin/python3\nlisted\nsaid /usr/bin/pyth")!;
  assert.equal(found[0]!.version, null);
});

Deno.test("it is looked for once, when somebody asks, and a failure is logged and no refusal", async () => {
  const runtimes: Runtimes = { found: [], lacking: ["ruby"] };
  let looks = 0;
  const find = () => Promise.resolve((looks += 1, runtimes));
  const { log, lines } = hearLog();
  const ask = lookOnce(find, log);
  assert.equal(looks, 0);
  assert.deepEqual([await ask(), await ask(), looks], [runtimes, runtimes, 1]);
  const failing = lookOnce(() => Promise.reject(new Error("no sandbox")), log);
  assert.deepEqual([await failing(), await failing()], [null, null]);
  assert.equal(lines.length, 1);
});
