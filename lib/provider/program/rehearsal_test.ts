import assert from "node:assert/strict";
import { join } from "node:path";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { streamOf } from "../../../sandbox/output.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { SMALL_PROGRAM } from "../../../worlds/sandbox/small_program.ts";
import { rehearse, type RehearsedProgram, type RehearsedRequest } from "./rehearsal.ts";

const HOST: SandboxHost = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
};
const TELLS = `#!/bin/sh
echo "$0 $1 $REQUEST_METHOD $SCRIPT_NAME$PATH_INFO?$QUERY_STRING $SERVER_NAME $SERVER_PORT"
echo "$REMOTE_ADDR $CONTENT_LENGTH $HTTP_HOST $HTTP_X_A $SECRET"
cat
`;

interface Setting extends Partial<RehearsedProgram> {
  files?: Readonly<Record<string, string>>;
  mode?: number;
}

/** A program in a folder of its own, gone after `work`. */
async function withProgram(
  { files = { main: TELLS }, mode = 0o755, ...rest }: Setting,
  work: (program: RehearsedProgram) => Promise<void>,
): Promise<void> {
  await using folder = await makeFolder();
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(folder.dir, name), text, { mode });
  }
  await work({ ...SMALL_PROGRAM, dir: folder.dir, ...rest });
}

const GET: RehearsedRequest = {
  method: "GET",
  base: new URL("http://localhost:8402"),
  path: "/",
  query: null,
  headers: [],
  body: null,
};

Deno.test("a rehearsal calls a program as a provider would, on a host of its own", async () => {
  await withProgram({ args: ["own"], env: { SECRET: "s" } }, async (program) => {
    await using stage = await rehearse(HOST, program);
    const { response, record } = await stage.call({
      method: "POST",
      base: new URL("http://localhost:8402"),
      path: "/a",
      query: "b=c",
      headers: [["x-a", "ბ"]],
      body: new TextEncoder().encode("data"),
    });
    const text = await new Response(streamOf(response)).text();
    assert.deepEqual(text.split("\n"), [
      "./main own POST /a?b=c localhost 8402",
      "127.0.0.1 4 localhost:8402 ბ s",
      "data",
    ]);
    const { exit, limit } = await record;
    assert.deepEqual([exit, limit], [0, null]);
  });
});

Deno.test("one stage is called as often as one likes, and by the interface that is named", async () => {
  const main = "#!/bin/sh\nprintf 'Status: 404 No\\nContent-Type: a/b\\n\\n'; echo $#\n";
  await withProgram({ files: { main }, interface: "cgi" }, async (program) => {
    await using stage = await rehearse(HOST, program);
    for (const _ of [1, 2]) {
      const { response } = await stage.call(GET);
      assert.deepEqual([response.status, response.headers], [404, [["content-type", "a/b"]]]);
      assert.equal(await new Response(streamOf(response)).text(), "0\n");
    }
  });
});

Deno.test("a program that cannot be started is refused with what to do, and nothing stays", async () => {
  const cases: [Setting, RegExp][] = [
    [{ files: { main: "echo hi" } }, /^main is a script without #!$/],
    [{ entrypoint: "./other" }, /the program has no file other$/],
    [{ mode: 0o644 }, /^main is not executable$/],
  ];
  for (const [setting, message] of cases) {
    await withProgram(setting, async (program) => {
      await assert.rejects(rehearse(HOST, program), { code: "invalid_program", message });
    });
  }
  await assert.rejects(
    withProgram({ dir: "/nowhere/at/all" }, async (program) => {
      await rehearse(HOST, program);
    }),
    { code: "not_found" },
  );
});

const SLEEPS = "#!/bin/sh\necho begun\nexec sleep 60\n";

const LISTENS = `#!/usr/bin/perl
use IO::Socket::INET;
$| = 1;
print "listening\\n";
my $server = IO::Socket::INET->new(LocalPort => 3000, Listen => 1);
sleep 60;
`;

Deno.test("an answer that ends in its middle says why, too", async () => {
  await withProgram({ files: { main: LISTENS }, timeoutMs: 500 }, async (program) => {
    await using stage = await rehearse(HOST, program);
    const { response } = await stage.call(GET);
    assert.ok(await response.read());
    await assert.rejects(response.read(), {
      code: "program_timeout",
      message: /longer than 500 ms: it listened on port 3000 instead of answering/,
    });
  });
});

Deno.test("a rehearsal is ended by its caller", async () => {
  await withProgram({ files: { main: SLEEPS } }, async (program) => {
    await using stage = await rehearse(HOST, program);
    const caller = new AbortController();
    const { response, record } = await stage.call({ ...GET, signal: caller.signal });
    assert.ok(await response.read());
    caller.abort();
    assert.equal((await record).limit, "aborted");
  });
});

Deno.test("a rehearsal whose caller has gone already comes to nothing", async () => {
  await withProgram({ files: { main: "#!/bin/sh\nexec sleep 60\n" } }, async (program) => {
    await using stage = await rehearse(HOST, program);
    const call = stage.call({ ...GET, signal: AbortSignal.abort() });
    await assert.rejects(call, { code: "program_limit", message: /ended before/ });
  });
});

Deno.test("the end of a stage is the end of what runs on it", async () => {
  await withProgram({ files: { main: SLEEPS } }, async (program) => {
    const stage = await rehearse(HOST, program);
    const { record } = await stage.call(GET);
    await stage[Symbol.asyncDispose]();
    await assert.rejects(record, { code: "sandbox_unavailable" });
  });
});

Deno.test("a run that is over lets go of its caller's signal", async () => {
  await withProgram({}, async (program) => {
    await using stage = await rehearse(HOST, program);
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    const { response, record } = await stage.call({ ...GET, signal });
    await new Response(streamOf(response)).text();
    await record;
    assert.equal(listeners, 0);
  });
});

Deno.test("a program's limits hold, and a head that is none is its failure", async () => {
  const files = { main: SLEEPS, bad: "#!/bin/sh\necho HTTP/x\n" };
  await withProgram({ files, timeoutMs: 1_000 }, async (program) => {
    await using stage = await rehearse(HOST, program);
    const { record } = await stage.call(GET);
    assert.equal((await record).limit, "timeout");
    await using bad = await rehearse(HOST, { ...program, entrypoint: "./bad", timeoutMs: 5_000 });
    await assert.rejects(bad.call(GET), { code: "program_failed" });
  });
});

Deno.test("what a stage has unpacked is gone after its end, and when it did not open", async () => {
  await using temporary = await makeFolder();
  const TMPDIR = Deno.env.get("TMPDIR");
  const left = async () => (await Array.fromAsync(Deno.readDir(temporary.dir))).length;
  await withProgram({}, async (program) => {
    Deno.env.set("TMPDIR", temporary.dir);
    try {
      {
        await using _ = await rehearse(HOST, program);
        assert.equal(await left(), 1);
      }
      assert.equal(await left(), 0);
      await assert.rejects(rehearse(HOST, { ...program, entrypoint: "./other" }));
      assert.equal(await left(), 0);
    } finally {
      if (TMPDIR === undefined) Deno.env.delete("TMPDIR");
      else Deno.env.set("TMPDIR", TMPDIR);
    }
  });
});
