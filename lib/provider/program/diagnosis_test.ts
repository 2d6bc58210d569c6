import assert from "node:assert/strict";
import { join } from "node:path";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { inFolder } from "../../../worlds/home.ts";
import { SMALL_PROGRAM } from "../../../worlds/sandbox/small_program.ts";
import { KhachapuriError } from "../../errors.ts";
import { AT_A_PROVIDER, type Evidence } from "./detector.ts";
import { ANSWERS, diagnose, FAILURES } from "./diagnosis.ts";
import { rehearse, type RehearsedProgram } from "./rehearsal.ts";

const HOST: SandboxHost = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
};

/** What is told of a program's failure once it has run, as `run` tells it. */
async function told(
  files: Readonly<Record<string, string>>,
  setting: Partial<RehearsedProgram> = {},
): Promise<string> {
  let sentence = "nothing";
  await inFolder(async (dir) => {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(dir, name), text, { mode: 0o755 });
    }
    const program: RehearsedProgram = {
      ...SMALL_PROGRAM,
      dir,
      timeoutMs: 20_000,
      memoryMb: 512,
      ...setting,
    };
    await using stage = await rehearse(HOST, program);
    try {
      const call = await stage.call({
        method: "GET",
        base: new URL("http://provider.example"),
        path: "/",
        query: null,
        headers: [],
        body: null,
      });
      while (await call.response.read() !== null);
      const found = await call.diagnosis();
      const stderr = new TextDecoder().decode((await call.record).stderr);
      sentence = found ? `${found.full}: ${found.hint}` : `nothing of: ${stderr}`;
    } catch (error) {
      assert(error instanceof KhachapuriError, String(error));
      sentence = `${error.shortMessage}: ${error.hints[0] ?? ""}`;
    }
  });
  return sentence;
}

const installed = async (path: string) => await Deno.stat(path).then(() => true, () => false);

interface Case {
  name: string;
  main: string;
  files?: Record<string, string>;
  /** What has to be installed. */
  needs?: string;
  setting?: Partial<RehearsedProgram>;
  says: RegExp;
}

const HOST_NAME = "api.khachapuri.example";
const asked =
  /^it asked for api\.khachapuri\.example, and its spec lists no host that it may call: name/;

/** The real thing, in the real sandbox. */
const CASES: readonly Case[] = [
  {
    name: "a command that is missing",
    main: "#!/bin/sh\npyton3 -V\n",
    says: /^pyton3 is not installed here/,
  },
  {
    name: "a script within, with a misspelt interpreter",
    main: "#!/bin/sh\n./tool\n",
    files: { tool: "#!/usr/bin/env pyton\n" },
    says: /^pyton is not installed here/,
  },
  {
    name: "a script within, with Windows line ends",
    main: "#!/bin/sh\n./tool\n",
    files: { tool: "#!/usr/bin/env sh\r\n" },
    says: /^a script in it was saved with Windows line ends/,
  },
  {
    name: "a script with Windows line ends that sh reads",
    main: "#!/bin/sh\n. ./tool\n",
    files: { tool: "true\r\n" },
    says: /^a script in it was saved with Windows line ends/,
  },
  {
    name: "another machine's program within",
    main: "#!/bin/bash\nexec ./tool\n",
    files: { tool: "\x7fELF\x02\x01\x01" + "\0".repeat(11) + "\xb7" + "\0".repeat(60) },
    needs: "/bin/bash",
    says: /tool is built for another machine/,
  },
  {
    name: "a library that is missing",
    main: "#!/bin/sh\nLD_PRELOAD= LD_AUDIT= exec /bin/true\n",
    setting: { env: { LD_LIBRARY_PATH: "/app" } },
    files: { "libc.so.6": "" },
    says: /library .*|file too short/,
  },
  {
    name: "a module of Python's that is missing",
    main: "#!/usr/bin/python3\nimport flask_of_nobody\n",
    needs: "/usr/bin/python3",
    says: /^the module flask_of_nobody is not in the program: install/,
  },
  {
    name: "a module of Node's that is missing",
    main: "#!/usr/bin/node\nrequire('express-of-nobody');\n",
    needs: "/usr/bin/node",
    says: /^the module express-of-nobody is not in the program/,
  },
  {
    name: "a name that Python looks up",
    main: `#!/usr/bin/python3\nimport urllib.request as u\nu.urlopen("http://${HOST_NAME}/")\n`,
    needs: "/usr/bin/python3",
    says: /^it looked up a name, and its spec lists no host/,
  },
  {
    name: "a name that Node looks up",
    main: `#!/usr/bin/node\nfetch("https://${HOST_NAME}/");\n`,
    needs: "/usr/bin/node",
    says: asked,
  },
  {
    name: "a name that curl looks up",
    main: `#!/bin/sh\nexec curl -sS https://${HOST_NAME}/\n`,
    needs: "/usr/bin/curl",
    says: asked,
  },
  {
    name: "a name that wget looks up",
    main: `#!/bin/sh\nexec wget -O- https://${HOST_NAME}/\n`,
    needs: "/usr/bin/wget",
    says: asked,
  },
  {
    name: "a name that PHP looks up",
    main:
      `#!/usr/bin/php -ddisplay_errors=stderr\n<?php if (!file_get_contents("http://${HOST_NAME}/")) exit(1);\n`,
    needs: "/usr/bin/php",
    says: asked,
  },
  {
    name: "a name that Ruby looks up",
    main: `#!/usr/bin/ruby\nrequire "net/http"\nNet::HTTP.get(URI("http://${HOST_NAME}/"))\n`,
    needs: "/usr/bin/ruby",
    says: asked,
  },
  {
    name: "an address",
    main: "#!/usr/bin/python3\nimport socket\nsocket.create_connection(('192.0.2.1', 80))\n",
    needs: "/usr/bin/python3",
    says: /^it asked for an address, and programs can call names alone/,
  },
  {
    name: "a server beside it",
    main: "#!/usr/bin/node\nrequire('net').connect(5432, '127.0.0.1');\n",
    needs: "/usr/bin/node",
    says: /^it asked for a server at 127\.0\.0\.1:5432, where there is none/,
  },
  {
    name: "a file in its own folder",
    main: "#!/bin/sh\necho x > data.txt\n",
    says: /^it wrote to data\.txt, and can write to \/tmp alone/,
  },
  {
    name: "a server in place of a program",
    main: "#!/usr/bin/python3\nimport http.server as s\n" +
      "s.HTTPServer(('', 8080), s.BaseHTTPRequestHandler).serve_forever()\n",
    needs: "/usr/bin/python3",
    setting: { timeoutMs: 1_500 },
    says: /longer than 1500 ms: it listened on port 8080 .*: start run with --interface http/,
  },
  {
    name: "a server of Node's, which listens under IPv6",
    main: "#!/usr/bin/node\nrequire('http').createServer().listen(3000);\n",
    needs: "/usr/bin/node",
    setting: { timeoutMs: 1_500 },
    says: /it listened on port 3000 instead of answering/,
  },
  {
    name: "nothing but slowness",
    main: "#!/bin/sh\nexec sleep 60\n",
    setting: { timeoutMs: 300 },
    says: /^the program ran longer than 300 ms: start run with --credits N /,
  },
  {
    name: "a CGI head without the interface",
    main: "#!/bin/sh\nprintf 'Content-Type: text/html\\n\\n<p>hi'\n",
    says: /^it printed a CGI head, which became a part of the body: deploy it with --interface cgi/,
  },
  {
    name: "a status line for the interface cgi",
    main: "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\nhi'\n",
    setting: { interface: "cgi" },
    says: /it printed a status line, which CGI programs do not: deploy it without --interface cgi/,
  },
  {
    name: "nothing, when it goes well",
    main: "#!/bin/sh\necho 'Connection refused' >&2\necho Content-Type\n",
    says: /^nothing of/,
  },
];

for (const { name, main, files = {}, needs, setting, says } of CASES) {
  Deno.test({
    name: `of a run that failed is told: ${name}`,
    ignore: needs !== undefined && !await installed(needs),
    fn: async () => assert.match(await told({ main, ...files }, setting), says),
  });
}

/** What other runtimes print, that may not be installed where this is tested. */
const SAID: readonly [stderr: string, says: RegExp][] = [
  ["dial tcp: lookup db.example on 127.0.0.53:53: server misbehaving", /asked for db\.example,/],
  ["java.net.UnknownHostException: db.example: Temporary failure", /asked for db\.example,/],
  [
    'psql: error: could not translate host name "db.example" to address: x',
    /asked for db\.example,/,
  ],
  [
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='db.example', port=443): " +
    "Max retries exceeded (Caused by NameResolutionError(...))",
    /asked for db\.example,/,
  ],
  [
    "error sending request for url (https://db.example/): client error (Connect): dns error",
    /asked for db\.example,/,
  ],
  ["dial tcp 192.0.2.1:443: connect: network is unreachable", /asked for 192\.0\.2\.1:443,/],
  [
    "./tool: error while loading shared libraries: libpq.so.5: cannot open shared object file",
    /^the library libpq\.so\.5 is not installed here/,
  ],
  ["ImportError: libGL.so.1: cannot open shared object file", /^the library libGL\.so\.1 is not/],
  ["./main: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found", /needs GLIBC_2\.38/],
  ["bash: ./tool: /bin/sh^M: bad interpreter: No such file", /Windows line ends/],
  ["/bin/sh: ./tool: cannot execute binary file: Exec format error", /^\.\/tool is built for/],
  ["Error: EROFS: read-only file system, open '/app/x.db'", /^it wrote to \/app\/x\.db, and/],
  ["OSError: [Errno 30] Read-only file system: 'x.db'", /^it wrote to x\.db, and/],
  ["sqlite3.OperationalError: attempt to write a readonly database", /^it wrote to a file, and/],
  ["write: No space left on device", /^its \/tmp was full: it holds 32 MiB/],
  ["RuntimeError: can't start new thread", /more than 64 processes and threads/],
  ["FATAL ERROR: Reached heap limit - JavaScript heap out of memory", /^it ran out of memory/],
  ["OSError: [Errno 24] Too many open files", /^it opened more than 256 files/],
  ["Can't locate JSON/XS.pm in @INC", /^the module JSON\/XS is not in the program/],
  ["Error: listen EACCES: permission denied 0.0.0.0:80", /^it may not listen on port 80$/],
  ["listen tcp :443: bind: permission denied", /^it may not listen on port 443$/],
  [
    "[Errno 13] error while attempting to bind on address ('0.0.0.0', 80): permission denied",
    /^it may not listen on port 80$/,
  ],
  ["[ERROR] Can't connect to ('0.0.0.0', 80)", /^it may not listen on port 80$/],
  ["cannot load such file -- sinatra (LoadError)", /^the module sinatra is not/],
];

function evidence(stderr: string, fields: Partial<Evidence["record"]> = {}): Evidence {
  return {
    record: {
      exit: 1,
      signal: null,
      limit: null,
      listeningPort: null,
      egress: null,
      stderr: new TextEncoder().encode(stderr),
      ...fields,
    },
    interface: "curl",
    mayCall: [],
    place: AT_A_PROVIDER,
    beginning: null,
    answerFault: null,
  };
}

Deno.test("what runtimes say on stderr is told by its kind, with what it names", () => {
  for (const [stderr, says] of SAID) {
    const filler = "at frame\n".repeat(3_000);
    for (const text of [stderr, `${filler}${stderr}\n`, `${stderr}\n${filler}`]) {
      assert.match(diagnose(evidence(text))?.full ?? "nothing", says);
    }
    assert.equal(diagnose(evidence(stderr, { exit: 0 })), null, "it has not failed");
  }
  assert.match(diagnose(evidence("", { exit: null, signal: "SIGSYS" }))!.full, /system call/);
  assert.match(diagnose(evidence("", { exit: null, signal: "SIGXFSZ" }))!.full, /33554432 bytes/);
  assert.equal(diagnose(evidence("something else")), null);
});

Deno.test("a program that listens is told of servers, and a server of nothing that it is", () => {
  const late = evidence("", { exit: null, signal: "SIGKILL", limit: "timeout", listeningPort: 80 });
  const found = diagnose(late)!;
  assert.match(found.full, /^it listened on port 80 instead of answering$/);
  assert.match(found.hint, /^deploy with --interface http, which keeps it running/);
  assert.doesNotMatch(found.short, /80/);
  assert.equal(diagnose({ ...late, interface: "http" }), null);
  const files = { ...evidence("Too many open files"), interface: "http" } as const;
  assert.equal(diagnose(files)!.full, "it opened too many files and connections");
});

Deno.test("what is quoted is one line, and callers are told no names", () => {
  const found = diagnose(evidence("Cannot find module 'a\x1b[2Jb'"))!;
  assert.equal(found.full, "the module a\\u001b[2Jb is not in the program");
  for (const [stderr] of SAID) {
    assert.doesNotMatch(diagnose(evidence(stderr))!.short, /example|lib\w+\.so|192|\.db/);
  }
});

Deno.test("a program cannot make it costly to tell why it failed", () => {
  const names = [...ANSWERS, ...FAILURES].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (
    const part of ["a: ", "env: ‘", "getaddrinfo ", "host='", "' ", "x.so", "Syntax error: ", ":"]
  ) {
    const hostile = evidence(part.repeat(65_536 / part.length));
    const before = performance.now();
    diagnose(hostile);
    diagnose({ ...hostile, beginning: new TextEncoder().encode(`a:${part}\n`.repeat(8_000)) });
    assert(performance.now() - before < 200, part);
  }
});
