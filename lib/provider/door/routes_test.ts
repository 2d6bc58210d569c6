import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { openRouteWorld, type RouteWorld } from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";

/** The provider's own paths, and the methods that each takes. */
const PATHS: Readonly<Record<string, "GET" | "POST" | "GET, POST" | "HEAD, POST">> = {
  "/": "GET",
  "/healthz": "GET",
  "/readyz": "GET",
  "/metrics": "GET",
  "/lane": "GET",
  "/terms": "GET",
  "/openapi.json": "GET",
  "/receipts/some": "GET",
  "/onboard": "POST",
  "/relay": "GET, POST",
  "/settle": "POST",
  "/stop": "POST",
  "/logs": "POST",
  "/deployments": "POST",
  "/names": "POST",
  "/names/some": "GET",
  "/dry-run": "POST",
  "/ipfs": "HEAD, POST",
};
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** How many responses of each status were counted. */
async function counted({ counters }: RouteWorld): Promise<Record<string, number>> {
  const samples = await counters.requests.metrics[0]!.read();
  return Object.fromEntries(samples.map(({ labels, value }) => [labels!.status, value]));
}

Deno.test("each path takes its method, HEAD as GET, and says which it takes", async () => {
  using world = await openRouteWorld();
  for (const [path, takes] of Object.entries(PATHS)) {
    for (const method of METHODS) {
      const { status, headers } = await world.ask(path, { method });
      const all = [...takes.split(", "), ...(takes.includes("GET") ? ["HEAD"] : []), "OPTIONS"];
      const isTaken = all.includes(method);
      assert.equal(status !== 405, isTaken, `${method} ${path}`);
      const isTold = !isTaken || method === "OPTIONS";
      assert.equal(headers.get("allow"), isTold ? all.join(", ") : null, `${method} ${path}`);
      assert.equal(headers.get("access-control-allow-origin"), "*", `${method} ${path}`);
    }
  }
});

Deno.test("a HEAD is answered as its GET", async () => {
  using world = await openRouteWorld();
  for (const path of ["/", "/healthz", "/metrics", "/terms", "/lane", "/relay"]) {
    const [get, head] = [await world.ask(path), await world.ask(path, { method: "HEAD" })];
    assert.equal(head.status, get.status);
    assert.deepEqual([...head.headers], [...get.headers]);
  }
});

Deno.test("there is nothing anywhere else", async () => {
  using world = await openRouteWorld();
  for (const path of ["/nothing", "/healthz/", "/constructor", "/__proto__", "/receipts"]) {
    const response = await world.ask(path);
    const { error, hints } = await response.json();
    assert.deepEqual([response.status, error], [404, "not_found"], path);
    assert.ok(hints.length > 0);
  }
});

Deno.test("what looks like a cid and is none is refused as such", async () => {
  using world = await openRouteWorld();
  const response = await world.ask("/bafynope");
  assert.deepEqual([response.status, (await response.json()).error], [400, "invalid_cid"]);
});

Deno.test("a deployment is called below the provider, and on a host of its own", async () => {
  using world = await openRouteWorld();
  const seen: unknown[][] = [];
  world.program = (run) => {
    const { SERVER_NAME, SCRIPT_NAME, PATH_INFO, QUERY_STRING, REMOTE_ADDR } = run.request.env;
    seen.push([SERVER_NAME, SCRIPT_NAME, PATH_INFO, QUERY_STRING, REMOTE_ADDR]);
    run.print("hello\n");
    run.exit();
  };
  const host = `${CID}.provider.test`;
  const calls = [
    world.ask(`/${CID}/a?b=c`),
    world.ask(`https://${host}/a?b=c`),
    // A proxy before us asks for its own address.
    world.ask("http://127.0.0.1:8402/a?b=c", { headers: { host } }),
    world.ask(`/${CID}`),
  ];
  for (const call of calls) assert.equal(await (await call).text(), "hello\n");
  assert.deepEqual(seen, [
    ["provider.test", `/${CID}`, "/a", "b=c", "192.0.2.7"],
    [host, "", "/a", "b=c", "192.0.2.7"],
    [host, "", "/a", "b=c", "192.0.2.7"],
    ["provider.test", `/${CID}`, "", "", "192.0.2.7"],
  ]);
});

Deno.test("a deployment takes every method, and its paths are its own", async () => {
  using world = await openRouteWorld();
  for (const method of METHODS) {
    assert.equal((await world.ask(`/${CID}/healthz`, { method })).status, 200, method);
  }
  const { status } = await world.ask(`https://${CID}.provider.test/settle`);
  assert.equal(status, 200);
  assert.deepEqual(world.asked, []);
});

Deno.test("a preflight to a deployment runs no program and costs nothing, in both forms", async () => {
  using world = await openRouteWorld();
  world.before.deployment = () => assert.fail("it was looked up");
  const headers = {
    origin: "https://app.example",
    "access-control-request-method": "PUT",
    "access-control-request-headers": "payment-signature, x-a",
  };
  for (const url of [`/${CID}`, `/${CID}/a`, `https://${CID}.provider.test/a`]) {
    const answer = await world.ask(url, { method: "OPTIONS", headers });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.equal(answer.headers.get("access-control-allow-methods"), "PUT");
    assert.match(answer.headers.get("access-control-allow-headers")!, /PAYMENT-SIGNATURE.* x-a/i);
  }
  assert.deepEqual(world.holds, []);
});

Deno.test("a preflight to a deployment that is open is answered as its owner signed", async () => {
  using world = await openRouteWorld({ spec: { cors: { origins: ["https://app.example"] } } });
  const { deployments } = world.parts.programs;
  deployments.known = (cid) => cid === CID ? world.deployment : null;
  world.before.deployment = () => assert.fail("it was looked up");
  const from = async (origin: string) => {
    const headers = { origin, "access-control-request-method": "PUT" };
    const answer = await world.ask(`/${CID}/a`, { method: "OPTIONS", headers });
    return [answer.status, answer.headers.get("access-control-allow-origin")];
  };
  assert.deepEqual(await from("https://app.example"), [204, "https://app.example"]);
  assert.deepEqual(await from("https://evil.example"), [204, null]);
  assert.deepEqual(world.holds, []);
});

Deno.test("whether a page may read an answer is the program's to say", async () => {
  using world = await openRouteWorld();
  const ask = async (head: string) => {
    world.program = (run) => {
      run.print(`HTTP/1.1 200 OK\n${head}\nhi`);
      run.exit();
    };
    const headers = { origin: "https://app.example", "payment-signature": "lane" };
    return (await world.ask(`/${CID}/`, { headers })).headers.get("access-control-allow-origin");
  };
  assert.equal(await ask(""), null);
  assert.equal(
    await ask("Access-Control-Allow-Origin: https://app.example\n"),
    "https://app.example",
  );
});

Deno.test("a service worker is refused below the provider, and not on a host of its own", async () => {
  using world = await openRouteWorld();
  const headers = { "service-worker": "script" };
  const below = await world.ask(`/${CID}/sw.js`, { headers });
  assert.deepEqual([below.status, (await below.json()).error], [403, "access_denied"]);
  assert.deepEqual(world.holds, []);
  const own = await world.ask(`https://${CID}.provider.test/sw.js`, { headers });
  assert.equal(own.status, 200);
});

Deno.test("what we did not foresee shows nothing of itself, and is logged", async () => {
  using world = await openRouteWorld();
  world.parts.health = () => Promise.reject(new TypeError("the secret is 1234"));
  const response = await world.ask("/healthz");
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), { error: "internal", message: "the provider failed" });
  const logged = world.lines.map((line) => JSON.parse(line));
  assert.deepEqual(logged.map(({ level, message }) => [level, message]), [
    ["error", "request failed"],
  ]);
  assert.match(logged[0].error.message, /the secret is 1234/);
});

Deno.test("a refusal says what it is, and is no line of the log", async () => {
  using world = await openRouteWorld();
  world.before.admit = () => {
    throw new KhachapuriError("overloaded", "not now", {
      retryAfterSeconds: 2,
      hints: ["come back"],
    });
  };
  const response = await world.ask(`/${CID}`);
  assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "2"]);
  assert.deepEqual(await response.json(), {
    error: "overloaded",
    message: "not now",
    hints: ["come back"],
  });
  assert.deepEqual(world.lines, []);
});

Deno.test("a 402 says in every scheme what would be taken, and for which path", async () => {
  using world = await openRouteWorld();
  world.before.admit = () => {
    throw new KhachapuriError("payment_required", "no credits left", {
      lane: { id: "0x01", cumulative: 2n },
    });
  };
  const response = await world.ask(`/${CID}/a?b`);
  assert.equal(response.status, 402);
  const { error, resource, accepts } = JSON.parse(atob(response.headers.get("payment-required")!));
  assert.equal(error, "no credits left");
  assert.equal(resource.url, `https://provider.test/${CID}/a?b`);
  assert.equal(resource.serviceName, "provider.test");
  assert.deepEqual(accepts, [{ scheme: "counting", creditsMax: 1, lane: "0x01" }]);
});

Deno.test("every response is counted by its status, those that failed too", async () => {
  using world = await openRouteWorld();
  world.parts.health = () => Promise.reject(new Error("not foreseen"));
  await (await world.ask(`/${CID}`)).text();
  for (const path of ["/", "/terms", "/nothing", "/bafynope", "/healthz"]) await world.ask(path);
  await world.ask("/", { method: "POST" });
  assert.deepEqual(await counted(world), { 200: 3, 400: 1, 404: 1, 405: 1, 500: 1 });
});
