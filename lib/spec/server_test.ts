import assert from "node:assert/strict";
import { requestsAtOnce, serverOf, serverToJson, serverVariableIn } from "./server.ts";

Deno.test("what a spec leaves out of its server has its default", () => {
  const otherwise = { instances: 4, concurrency: 32 };
  assert.deepEqual(serverOf({}), { listen: { kind: "port", port: 8080 }, ...otherwise });
  assert.deepEqual(serverOf({ server: {} }), serverOf({}));
  assert.deepEqual(serverOf({ server: { port: 3000, instances: 1, concurrency: 2 } }), {
    listen: { kind: "port", port: 3000 },
    instances: 1,
    concurrency: 2,
  });
  assert.deepEqual(serverOf({ server: { listen: "fd" } }), {
    listen: { kind: "fd" },
    ...otherwise,
  });
});

Deno.test("a server has as many requests at once as its instances take, and a deployment may", () => {
  const at = (instances: number, concurrency: number) =>
    requestsAtOnce(serverOf({ server: { instances, concurrency } }));
  assert.deepEqual([at(1, 1), at(2, 8), at(4, 32)], [1, 16, 64]);
});

Deno.test("a wish survives its JSON form, which leaves nothing to our defaults", () => {
  for (const server of [{}, { listen: "fd", instances: 2 }, { port: 3000 }] as const) {
    const wish = serverOf({ server });
    const json = serverToJson(wish);
    assert.deepEqual(serverOf({ server: json }), wish);
    assert.equal("port" in json, json.listen === "port");
    assert.deepEqual([json.instances, json.concurrency], [wish.instances, wish.concurrency]);
  }
});

Deno.test("the variables of a server are those that it is told by, and no others", () => {
  assert.equal(serverVariableIn({ A: "1", PORT: "80" }), "PORT");
  assert.equal(serverVariableIn({ LISTEN_FDS: "1" }), "LISTEN_FDS");
  assert.equal(serverVariableIn({ port: "80", PORTS: "1", LISTEN_FDNAMES: "a" }), undefined);
});
