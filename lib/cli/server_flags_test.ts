import assert from "node:assert/strict";
import { unknownFlag } from "./arguments.ts";
import { assertNoServer, SERVER_OPTIONS, type ServerFlags, serverWish } from "./server_flags.ts";

const NOTHING: ServerFlags = {
  "server-listen": undefined,
  "server-port": undefined,
  instances: undefined,
  "server-concurrency": undefined,
};

const wish = (flags: Partial<ServerFlags>, env = {}) => serverWish({ ...NOTHING, ...flags }, env);

Deno.test("a server listens on 8080 unless its flags say otherwise", () => {
  const otherwise = { instances: 4, concurrency: 32 };
  assert.deepEqual(wish({}), { listen: { kind: "port", port: 8080 }, ...otherwise });
  assert.deepEqual(
    wish({ "server-port": "3000", "instances": "1", "server-concurrency": "1024" }),
    { listen: { kind: "port", port: 3000 }, instances: 1, concurrency: 1024 },
  );
  assert.deepEqual(wish({ "server-listen": "fd" }), { listen: { kind: "fd" }, ...otherwise });
});

Deno.test("what a server cannot be is refused with its flag and what it may be", () => {
  const cases: [Partial<ServerFlags>, RegExp][] = [
    [{ "server-listen": "socket" }, /^--server-listen is port or fd, not socket/],
    [{ "server-port": "80" }, /^--server-port is not a whole number from 1024 to 65535: 80/],
    [{ "server-port": "65536" }, /65535: 65536/],
    [{ "server-port": "http" }, /65535: http/],
    [{ "instances": "0" }, /^--instances is not a whole number from 1 to 64: 0/],
    [{ "instances": "65" }, /from 1 to 64: 65/],
    [{ "server-concurrency": "1025" }, /^--server-concurrency is not .* from 1 to 1024: 1025/],
    [{ "server-listen": "fd", "server-port": "8080" }, /of no use with --server-listen fd/],
  ];
  for (const [flags, message] of cases) {
    assert.throws(() => wish(flags), { code: "usage", message }, JSON.stringify(flags));
  }
});

Deno.test("a variable that a server is told anyhow is none of --env", () => {
  const message = "PORT is set for each server";
  const hints = ["the port that it is told: --server-port PORT"];
  assert.throws(() => wish({}, { PORT: "80" }), { code: "usage", message, hints });
  assert.ok(wish({}, { HOST: "::" }));
});

Deno.test("flags of a server are refused where the program is none", () => {
  assertNoServer(NOTHING);
  for (const name of Object.keys(NOTHING)) {
    assert.throws(() => assertNoServer({ ...NOTHING, [name]: "1" }), {
      code: "usage",
      message: `--${name}: the program is no server`,
      hints: ["add --interface http if it is one"],
    });
  }
});

Deno.test("whoever names a server's port as others do is told our flag", () => {
  const { hints } = unknownFlag("run", SERVER_OPTIONS, "--port");
  assert.equal(hints[0], "did you mean --server-port?");
});
