import assert from "node:assert/strict";
import { join } from "node:path";
import { openInstance } from "../../../sandbox/instance.ts";
import { inFolder } from "../../../worlds/home.ts";
import { runLimits } from "./run_limits.ts";
import { type FailedStart, serverFailure, startFault } from "./server_failure.ts";
import { openBackstage } from "./stage.ts";

const ON_8080 = { kind: "port", port: 8080 } as const;
const ENDED = { exit: 0, signal: null, limit: null, listeningPort: null, egress: null };
/** Ended by us, as it did not come to listen. */
const ENDED_BY_US = { ...ENDED, exit: null, signal: "SIGKILL", limit: "aborted" } as const;

const LISTENS_NOT =
  /^it did not listen on port 8080 within 10 s; .*variable PORT.*listen first, load afterwards$/;

const text = (value: string) => new TextEncoder().encode(value);

function told(fields: Partial<FailedStart>, output = ""): string {
  const start = { record: ENDED, listensOn: ON_8080, output: text(output), ...fields };
  const { message, hints } = serverFailure(start);
  return [message, ...hints].join("; ");
}

const exits = (exit: number) => ({ record: { ...ENDED, exit } });

Deno.test("of a server that runs and does not listen is told where it should, and where it does", () => {
  for (const record of [null, ENDED_BY_US]) {
    assert.match(told({ record }), LISTENS_NOT);
    assert.equal(
      told({ record, listeningPort: 3000 }),
      "it listens on port 3000, not on 8080; have it listen on the port in its variable PORT, " +
        "or deploy with --server-port 3000",
    );
    assert.match(
      told({ record, listeningPort: 8080 }),
      /^it listens on port 8080 of an address that is neither .*; .*0\.0\.0\.0 or ::$/,
    );
  }
  const record = { ...ENDED_BY_US, listeningPort: 5000 };
  assert.match(told({ record }), /^it listens on port 5000, not on 8080/);
  assert.match(
    told({ record, place: { command: "run", connectTo: {} } }),
    /or start run with --server-port 5000$/,
  );
});

Deno.test("of one that is passed a socket is told that it leaves it alone", () => {
  const listensOn = { kind: "fd" } as const;
  assert.match(
    told({ record: null, listensOn }),
    /^it took no connection from its socket within 10 s: descriptor 3, as LISTEN_FDS=1 says; /,
  );
  assert.equal(
    told({ record: null, listensOn, listeningPort: 3000 }),
    "it listens on port 3000, not on the socket that it is passed as descriptor 3; " +
      "deploy with --server-listen port --server-port 3000",
  );
});

Deno.test("one that ended is told by how, by what can be told of why, and by its last words", () => {
  assert.match(told({}), /^it exited with 0 before it listened; a server stays: .*foreground/);
  assert.equal(told(exits(1)), "it exited with 1 before it listened");
  assert.equal(
    told(exits(1), "Error: Cannot find module 'express'\n  at x\n"),
    "it exited with 1 before it listened: the module express is not in the program; " +
      "install it into the program's folder before packing: npm install, " +
      "pip install --target lib, …; " +
      "it printed: Error: Cannot find module 'express'; it printed: at x",
  );
  assert.match(
    told(exits(1), "Error: listen EACCES: permission denied 0.0.0.0:80\n"),
    /^it exited with 1 before it listened: it may not listen on port 80; ports begin at 1024/,
  );
  const limited = { exit: null, signal: "SIGKILL" } as const;
  const of = (fields: object) => told({ record: { ...ENDED, ...limited, ...fields } });
  assert.equal(of({}), "SIGKILL ended it before it listened");
  assert.equal(of({ limit: "memory" }), "it hit its memory limit before it listened");
  assert.equal(of({ limit: "escaped" }), "it went on working while it was to stand still");
  const lines = told(exits(1), "one\n\ntwo\n three\x1b[2J\nfour\n");
  assert.match(lines, /listened; it printed: two; it printed: three\\u001b\[2J; it printed: four$/);
});

Deno.test("one that answers as programs without a server do is told which interface that is", () => {
  assert.match(
    told({}, "HTTP/1.1 200 OK\r\n\r\nhi"),
    /^it printed an answer and ended, as .* curl does; deploy with --interface curl/,
  );
  assert.match(
    told(exits(1), "Content-Type: text/plain\n\nhi"),
    /^it printed an answer and ended, as .* cgi does; deploy with --interface cgi/,
  );
  assert.match(told({ record: null }, "HTTP/1.1 200 OK\n"), /^it did not listen/);
});

/** What is told of a real server, which is ended once it has printed "up", or ends before. */
async function tried(script: string): Promise<string> {
  const runUid = Deno.uid() === 0 ? 1_800_000_000 : null;
  await using backstage = await openBackstage({ launcher: "bwrap", runUid });
  const programDir = backstage.place();
  await Deno.mkdir(programDir);
  await Deno.writeTextFile(join(programDir, "main"), script, { mode: 0o755 });
  let output = "";
  let sentence = "";
  await inFolder(async (socketDir) => {
    const up = Promise.withResolvers<void>();
    const policy = { programDir, limits: runLimits({ timeoutMs: 5_000, memoryMb: 128 }) };
    const instance = await openInstance(backstage.host, policy, {
      argv: ["./main"],
      env: {},
      listen: ON_8080,
      socketDir,
      onOutput(bytes) {
        output += new TextDecoder().decode(bytes);
        if (output.includes("up\n")) up.resolve();
      },
    });
    await Promise.race([up.promise, instance.record]);
    await instance.close();
    sentence = told({ record: await instance.record }, output);
  });
  return sentence;
}

Deno.test({
  name: "of real servers is told what is wrong with them",
  ignore: await Deno.stat("/usr/bin/python3").then(() => false, () => true),
  async fn() {
    const listens = (host: string, port: number) =>
      "#!/usr/bin/python3\nimport socket, time\n" +
      `s = socket.create_server(("${host}", ${port}))\nprint("up", flush=True)\ntime.sleep(60)\n`;
    assert.match(await tried(listens("", 3000)), /^it listens on port 3000, not on 8080; /);
    assert.match(await tried(listens("127.0.0.9", 8080)), /8080 of an address that is neither/);
    assert.match(await tried("#!/bin/sh\necho up; exec sleep 60\n"), /^it did not listen on port/);
    assert.match(await tried("#!/bin/sh\necho; echo hi\n"), /^it exited with 0 before it listened/);
    assert.match(
      await tried("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhi'\n"),
      /^it printed an answer and ended/,
    );
    assert.match(
      await tried("#!/usr/bin/python3\nimport flask_of_nobody\n"),
      /^it exited with 1 before it listened: the module flask_of_nobody is not in the program/,
    );
  },
});

Deno.test("a failed start is one error for callers and one for its owner, who is both on a machine of its own", () => {
  const output = text("Error: Cannot find module 'left-pad'\n");
  const record = { ...ENDED, exit: 1 };
  const { why, toOwner } = startFault({ record, listensOn: ON_8080, output });
  const began = "the server did not start: it exited with 1 before it listened";
  assert.equal(why.code, "program_failed");
  assert.equal(why.message, `${began}: a module that it needs is not in the program`);
  assert.deepEqual(why.hints, ["its owner finds more in `khachapuri logs CID`"]);
  assert.equal(toOwner.message, `${began}: the module left-pad is not in the program`);
  assert.equal(toOwner.hints.length, 2);
  const own = { command: "dev", connectTo: {} } as const;
  const here = startFault({ record, listensOn: ON_8080, output, place: own });
  assert.equal(here.why, here.toOwner);
  const killed = { ...ENDED, exit: null, limit: "memory" } as const;
  const { why: { code, data } } = startFault({ record: killed, listensOn: ON_8080, output });
  assert.deepEqual([code, data], ["program_limit", { limit: "memory" }]);
});

Deno.test("callers are told nothing of what it printed", () => {
  const secret = "s3cr3t";
  for (
    const output of [
      `Error: Cannot find module '${secret}'`,
      `HTTP/1.1 200 OK\r\nx: ${secret}\r\n\r\n`,
      `getaddrinfo ENOTFOUND ${secret}.example`,
      secret,
    ]
  ) {
    for (const record of [ENDED, { ...ENDED, exit: 1 }, null]) {
      const { short, hints } = serverFailure({ record, listensOn: ON_8080, output: text(output) });
      assert.ok(!short.includes(secret), short);
      assert.ok(hints.some((hint) => hint.includes(secret)), "its owner is");
    }
  }
});
