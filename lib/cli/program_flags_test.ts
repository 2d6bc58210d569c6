import assert from "node:assert/strict";
import { join } from "node:path";
import { SPEC_EGRESS_MAX } from "../limits.ts";
import {
  assertMayBeCalled,
  connectToOf,
  programChoices,
  type ProgramFlags,
} from "./program_flags.ts";

const NOTHING: ProgramFlags = {
  entrypoint: undefined,
  arg: [],
  env: [],
  "env-file": undefined,
  "env-name": [],
  interface: undefined,
  "server-listen": undefined,
  "server-port": undefined,
  instances: undefined,
  "server-concurrency": undefined,
  egress: [],
  timeout: undefined,
  credits: undefined,
  memory: undefined,
};

Deno.test("an env file is taken literally, and --env wins over it", async () => {
  await withFile('A=1=2\n# B=3\n\nQUOTED="x"\r\n', async (path) => {
    const { env } = await programChoices({ ...NOTHING, "env-file": path, env: ["A=mine"] });
    assert.deepEqual(env, { A: "mine", QUOTED: '"x"' });
  });
});

Deno.test("a bad line of an env file is named by its number, never quoted", async () => {
  await withFile("A=1\n\nhunter2\n", async (path) => {
    await assert.rejects(programChoices({ ...NOTHING, "env-file": path }), (error: Error) => {
      assert.match(error.message, /env, line 3: a variable is given as NAME=VALUE/);
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  });
});

Deno.test("a variable that is named must get a value, from the file or the command line", async () => {
  await withFile("A=1\n", async (path) => {
    const flags = { ...NOTHING, "env-file": path, "env-name": ["A", "B"] };
    assert.deepEqual((await programChoices({ ...flags, env: ["B="] })).env, { A: "1", B: "" });
    await assert.rejects(programChoices(flags), (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "usage");
      return error.hints[0] === "give --env B=VALUE";
    });
  });
});

Deno.test("a run takes one credit unless --credits says more, as many as a spec can say", async () => {
  const creditsOf = async (credits?: string) =>
    (await programChoices({ ...NOTHING, credits })).credits;
  assert.equal(await creditsOf(), 1);
  assert.equal(await creditsOf("4"), 4);
  assert.equal(await creditsOf("10000"), 10_000);
  for (const bad of ["0", "1.5", "-1", "many", "10001"]) {
    await assert.rejects(creditsOf(bad), { code: "usage", message: /--credits/ }, bad);
  }
});

Deno.test("a program is a server with --interface http alone, with the port that its flags say", async () => {
  const flags = { ...NOTHING, "server-port": "3000" };
  const { server, interface: kind } = await programChoices({ ...flags, interface: "http" });
  assert.deepEqual([kind, server?.listen], ["http", { kind: "port", port: 3000 }]);
  for (const other of ["curl", "cgi"]) {
    assert.equal("server" in await programChoices({ ...NOTHING, interface: other }), false);
    const message = /^--server-port: the program is no server/;
    await assert.rejects(programChoices({ ...flags, interface: other }), {
      code: "usage",
      message,
    });
  }
  await assert.rejects(programChoices({ ...NOTHING, interface: "fastcgi" }), {
    code: "usage",
    message: "--interface is curl, cgi or http, not fastcgi",
  });
  const asked = programChoices({ ...NOTHING, interface: "http", env: ["PORT=1"] });
  await assert.rejects(asked, { code: "usage", message: /^PORT is set/ });
});

Deno.test("hosts of --egress are as a spec has them: in lower case, each once", async () => {
  const egress = [
    "API.Example.com:443",
    "api.example.com:443",
    "*.Example.org:8443",
    "db.test:5432",
  ];
  const choices = await programChoices({ ...NOTHING, egress });
  assert.deepEqual(choices.egress, ["api.example.com:443", "*.example.org:8443", "db.test:5432"]);
  assert.deepEqual((await programChoices(NOTHING)).egress, []);
});

Deno.test("what --egress cannot be is refused with the text that was given, and why", async () => {
  const cases: [string, RegExp][] = [
    ["api.example.com", /^--egress api\.example\.com: not host:port, as "api\.example\.com:443"/],
    ["https://api.example.com", /not host:port/],
    ["api.example.com:443/v1", /not host:port/],
    ["api.example.com:0", /not host:port/],
    ["api.example.com:65536", /not host:port/],
    ["api.example.com:https", /not host:port/],
    ["*:443", /not host:port/],
    ["", /not host:port/],
    ["10.0.0.1:443", /an address, where only names can be asked for/],
    ["2130706433:443", /an address/],
    ["0x7f000001:443", /an address/],
    ["127.1:443", /an address/],
    ["[::1]:443", /an address/],
    ["::1:443", /an address/],
    ["mx.example.com:25", /port 25, which no provider lets programs reach/],
    ["*.com:443", /a wildcard for all of a top-level domain/],
  ];
  for (const [host, message] of cases) {
    await assert.rejects(
      programChoices({ ...NOTHING, egress: ["good.test:443", host] }),
      { code: "usage", message },
      host,
    );
  }
  const egress = Array.from({ length: SPEC_EGRESS_MAX + 1 }, (_, index) => `h${index}.test:443`);
  await assert.rejects(programChoices({ ...NOTHING, egress }), /more than 64 hosts/);
});

Deno.test("--connect-to puts an address in a host's place, as with curl", () => {
  assert.deepEqual(
    connectToOf([
      "API.test:443:127.0.0.1:8443",
      "b.test:80:localhost:8080",
      "c.test:80:[::1]:8080",
    ]),
    {
      "api.test:443": "127.0.0.1:8443",
      "b.test:80": "127.0.0.1:8080",
      "c.test:80": "[::1]:8080",
    },
  );
  for (
    const text of [
      "",
      "api.test:443",
      "api.test:443:127.0.0.1",
      "api.test:443:other.test:8443",
      "api.test:443:127.0.0.1:0",
      "api.test:443:::1:8443",
      "10.0.0.1:443:127.0.0.1:8443",
      "::127.0.0.1:8443",
      "*.api.test:443:127.0.0.1:8443",
      "api.test:443:127.0.0.1:8443:1",
    ]
  ) {
    assert.throws(() => connectToOf([text]), {
      code: "usage",
      message: `--connect-to ${text}: not HOST:PORT:ADDRESS:PORT`,
    }, text);
  }
});

Deno.test("--connect-to of what no --egress names is refused, and says which is missing", () => {
  const to = (host: string, egress: string[]) =>
    assertMayBeCalled(connectToOf([`${host}:127.0.0.1:1`]), egress);
  to("a.b.test:80", ["c.test:80", "*.b.test:80"]);
  for (const egress of [[], ["api.test:443"], ["b.api.test:80"], ["*.api.test:80"]]) {
    assert.throws(() => to("API.test:80", egress), {
      code: "usage",
      message: "--connect-to api.test:80: no --egress names that host",
      hints: ["add --egress api.test:80: the program may call nothing else"],
    });
  }
});

async function withFile(text: string, test: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "env");
    await Deno.writeTextFile(path, text);
    await test(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
