import assert from "node:assert/strict";
import type { Machine } from "./executable.ts";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import {
  elf,
  main,
  REFUSED,
  type StartCase,
  STARTED,
  writeProgramFile,
} from "../../worlds/spec/start_cases.ts";
import { readProgram } from "./pack.ts";
import { listProgram } from "./program_listing.ts";
import { packedView } from "./program_view.ts";
import { readStart } from "./start_facts.ts";
import { assertStarts, startFault } from "./start_fault.ts";

async function judged({ files, mode, entrypoint = "./main", env = {} }: StartCase) {
  let fault: ReturnType<typeof startFault> = null;
  await inFolder(async (dir) => {
    for (const [name, content] of Object.entries(files)) {
      await writeProgramFile(dir, name, content, mode);
    }
    const facts = await readStart(dir, { entrypoint, env });
    // A program of folders alone is none.
    await writeProgramFile(dir, "more/data", "");
    // Whoever publishes it looks at what is in memory, a provider at what is unpacked.
    const packed = packedView(await readProgram(dir, await listProgram(dir)));
    assert.deepEqual(await readStart(packed, { entrypoint, env }), facts);
    fault = startFault(facts, Deno.build.arch);
  });
  return fault as ReturnType<typeof startFault>;
}

for (const [name, program, message] of REFUSED) {
  Deno.test(`a program that cannot be started is refused: ${name}`, async () => {
    assert.match((await judged(program))?.message ?? "started", message);
  });
}

for (const [name, program] of STARTED) {
  Deno.test(`a program that can be started is not refused: ${name}`, async () => {
    assert.equal(await judged(program), null);
  });
}

Deno.test("a link to nothing is told from a file that is not there", async () => {
  await inFolder(async (dir) => {
    await Deno.symlink("gone", join(dir, "main"));
    const facts = await readStart(dir, { entrypoint: "main", env: {} });
    assert.match(
      startFault(facts, null)!.message,
      /^main is a link to what is not in the program$/,
    );
  });
});

Deno.test("only what a machine has or lacks is a matter of the machine", async () => {
  assert.equal((await judged(main("#!/usr/bin/pyton3\n")))?.isLocal, true);
  assert.equal((await judged(main("#!/usr/bin/env pyton\n")))?.isLocal, true);
  assert.equal((await judged(main("#!/opt/python\n")))?.isLocal, false);
  assert.equal((await judged(main("echo\n")))?.isLocal, false);
});

Deno.test("where the machine is not known, both processors are taken and glibc's loader alone", async () => {
  await inFolder(async (dir) => {
    const judge = async (content: Uint8Array) => {
      await writeProgramFile(dir, "main", content);
      return startFault(await readStart(dir, { entrypoint: "main", env: {} }), null)?.message;
    };
    assert.equal(await judge(elf({ machine: 62 })), undefined);
    assert.equal(await judge(elf({ machine: 183 })), undefined);
    assert.match((await judge(elf({ machine: 243 })))!, /it would run on x86_64 or aarch64$/);
    // This machine may have musl, a provider does not.
    const musl = elf({ machine: 62, loader: "/lib/ld-musl-x86_64.so.1" });
    assert.match((await judge(musl))!, /ld-musl/);
  });
});

Deno.test("a provider of either machine takes what is built for it, and not the other's", async () => {
  const [x86, arm] = [
    { number: 62, name: "x86_64", loader: "/lib64/ld-linux-x86-64.so.2" },
    { number: 183, name: "aarch64", loader: "/lib/ld-linux-aarch64.so.1" },
  ] as const;
  await inFolder(async (dir) => {
    const judge = async (content: Uint8Array, machine: Machine) => {
      await writeProgramFile(dir, "main", content);
      return startFault(await readStart(dir, { entrypoint: "main", env: {} }), machine)?.message;
    };
    for (const [own, other] of [[x86, arm], [arm, x86]] as const) {
      const { number, loader } = own;
      assert.equal(await judge(elf({ machine: number }), own.name), undefined);
      assert.equal(await judge(elf({ machine: number, loader }), own.name), undefined);
      const said = `main is built for ${own.name} (64 bits), it would run on ${other.name}`;
      assert.equal(await judge(elf({ machine: number }), other.name), said);
    }
  });
});

Deno.test("a fault comes with what to do, and with what the caller of it adds", async () => {
  await inFolder(async (dir) => {
    await writeProgramFile(dir, "app.py", "import sys\n");
    const command = { entrypoint: "./main", env: {} };
    const error = await assertStarts(dir, command, "more").then(() => null, (error) => error);
    assert.equal(error.code, "invalid_program");
    assert.deepEqual(error.hints, ["it has app.py: --entrypoint app.py", "more"]);
    const own = await assertStarts(dir, { ...command, entrypoint: "app.py" })
      .then(() => null, (error) => error);
    assert.deepEqual(own.hints, ["begin it with the line #!/usr/bin/env python3"]);
    await writeProgramFile(dir, "main", "#!/bin/sh\n");
    await Deno.symlink("main", join(dir, "link"));
    await assertStarts(dir, { entrypoint: "link", env: {} });
  });
});

Deno.test("what of a machine starts a script is told as its first line has it", async () => {
  const told: readonly [string, string | null, Record<string, string>?][] = [
    ["#!/usr/bin/env ruby\n", "ruby"],
    ["#!/usr/bin/env -S deno run --quiet\n", "deno"],
    ["#!/usr/bin/env -S LANG=C MODE=x python3.12 -u\n", "python3.12"],
    ["#! /bin/../bin/bash -e\n", "/bin/bash"],
    ["#!/usr/bin/ruby3.3\n", "/usr/bin/ruby3.3"],
    // Only env itself can tell what it makes of these.
    ["#!/usr/bin/env -S -i ruby\n", "/usr/bin/env"],
    ["#!/usr/bin/env -S PATH=/app ruby\n", "/usr/bin/env"],
    ['#!/usr/bin/env -S "ruby"\n', "/usr/bin/env"],
    ["#!/usr/bin/env ruby\n", null, { PATH: "/app/bin" }],
    ["#!/app/bin/ruby\n", null],
    ["#!bin/ruby\n", null],
    ["\x7fELF", null],
  ];
  await inFolder(async (dir) => {
    for (const [content, interpreter, env = {}] of told) {
      await writeProgramFile(dir, "main", content);
      const facts = await readStart(dir, { entrypoint: "main", env });
      assert.equal(facts.interpreter, interpreter, content);
    }
  });
});

Deno.test("other names of what is lacking are pointed out", async () => {
  const fault = await judged(main("#!/usr/bin/env sh7\n"));
  assert.equal(fault!.hints[0], "there is sh");
});

Deno.test("a script that starts itself is looked at, and not for ever", async () => {
  assert.equal(await judged(main("#!/app/main\n")), null);
});

Deno.test("what starts the program's own interpreter is what a provider has to have", async () => {
  await inFolder(async (dir) => {
    await writeProgramFile(dir, "main", "#!/app/bin/run -e\n");
    await writeProgramFile(dir, "bin/run", "#!/usr/bin/env ruby3.9\n");
    const facts = await readStart(dir, { entrypoint: "main", env: {} });
    assert.equal(facts.interpreter, "ruby3.9");
  });
});
