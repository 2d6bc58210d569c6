import assert from "node:assert/strict";
import { familyOf, hasRuntime, type Runtime, runtimesText } from "./runtime.ts";

const runtime = (name: string, version: string | null, folder = "/usr/bin"): Runtime => ({
  name,
  kind: name === "git" ? "tool" : "interpreter",
  version,
  path: `${folder}/${name}`,
});

const RUNTIMES = {
  found: [
    runtime("sh", null),
    runtime("python3", "3.11.2"),
    runtime("python3.11", "3.11.2"),
    runtime("lua5.4", "5.4.4"),
    runtime("lua", "5.1.5"),
    runtime("deno", "2.9.6", "/usr/local/bin"),
    runtime("git", "2.39.5"),
  ],
  lacking: ["ruby", "gcc"],
};

Deno.test("names of one program are one family, whatever version they end in", () => {
  const names = ["python", "python3", "python3.11", "guile-3.0", "perl5.36.0", "sqlite3", "R", "7"];
  const families = ["python", "python", "python", "guile", "perl", "sqlite", "R", "7"];
  assert.deepEqual(names.map(familyOf), families);
});

Deno.test("a program finds a name, or a path, that its first line asks for, or not", () => {
  for (const asked of ["python3", "/usr/bin/python3.11", "/bin/sh", "deno"]) {
    assert.equal(hasRuntime(RUNTIMES, asked), true, asked);
  }
  const lacking = [
    "python",
    "python3.12",
    "python2",
    "ruby",
    "ruby3.1",
    "/usr/bin/deno",
    "/bin/gcc-12",
  ];
  for (const asked of lacking) assert.equal(hasRuntime(RUNTIMES, asked), false, asked);
});

Deno.test("what nobody looked for is neither there nor lacking", () => {
  for (const asked of ["elvish", "/usr/bin/env", "/usr/lib/jvm/17/bin/java", "/usr/lib/sh"]) {
    assert.equal(hasRuntime(RUNTIMES, asked), null, asked);
  }
});

Deno.test("each program is told once, by its shortest name, and other versions beside it", () => {
  const said = "sh, python3 3.11.2, lua5.4 5.4.4, lua 5.1.5, deno 2.9.6";
  assert.equal(runtimesText(RUNTIMES.found, "interpreter"), said);
  assert.equal(runtimesText(RUNTIMES.found, "tool"), "git 2.39.5");
});
