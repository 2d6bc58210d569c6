import assert from "node:assert/strict";
import { givenDescriptor, givenDescriptors } from "./service_environment.ts";

const given = (variables: Record<string, string>, pid = 7) =>
  givenDescriptors({ pid, env: (name) => variables[name] });

Deno.test("sockets are had by the names that the service manager gives them", () => {
  const variables = { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "http:listen" };
  assert.deepEqual([...given(variables)], [["http", 3], ["listen", 4]]);
  const environment = { pid: 7, env: (name: string) => variables[name as keyof typeof variables] };
  assert.equal(givenDescriptor("listen", environment), 4);
  assert.equal(givenDescriptor("other", environment), null);
});

Deno.test("a sole one without a name is where the provider listens", () => {
  assert.deepEqual([...given({ LISTEN_PID: "7", LISTEN_FDS: "1" })], [["listen", 3]]);
  const unknown = { LISTEN_PID: "7", LISTEN_FDS: "1", LISTEN_FDNAMES: "unknown" };
  assert.deepEqual([...given(unknown)], [["listen", 3]]);
});

Deno.test("what was meant for another process, or for nobody, is not taken", () => {
  assert.equal(given({ LISTEN_PID: "8", LISTEN_FDS: "1" }).size, 0);
  assert.equal(given({ LISTEN_FDS: "1" }).size, 0);
  assert.equal(given({}).size, 0);
  assert.equal(given({ LISTEN_PID: "7", LISTEN_FDS: "0" }).size, 0);
});

Deno.test("what cannot be served is refused by name", () => {
  for (const LISTEN_FDS of ["-1", "1.5", "99", "x", "1e1", ""]) {
    assert.throws(() => given({ LISTEN_PID: "7", LISTEN_FDS }), { code: "invalid_config" });
  }
  const twice = { LISTEN_PID: "7", LISTEN_FDS: "2", LISTEN_FDNAMES: "listen:listen" };
  assert.throws(() => given(twice), /several sockets named listen/);
});
