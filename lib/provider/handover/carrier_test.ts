import assert from "node:assert/strict";
import { requestOf, responseOf } from "../../../worlds/answers.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { textOf } from "../../../worlds/wire.ts";
import { listenForCarried } from "../door/listening.ts";
import type { Handle, HttpRequest } from "../http/request.ts";
import { WireUsage } from "../metrics/wire_usage.ts";
import { CARRIED_FIELD, carriedSender, carryTo } from "./carrier.ts";

async function through(handle: Handle, use: (carry: Handle) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ dir: "/tmp" });
  const told = { log: hearLog().log, usage: new WireUsage() };
  const listener = await listenForCarried(`${dir}/in`, handle, told);
  assert.equal((await Deno.stat(`${dir}/in`)).mode! & 0o777, 0o600);
  await use(carryTo(`${dir}/in`)).finally(() => listener.stop(0));
  await Deno.remove(dir, { recursive: true });
}

Deno.test("a request arrives as it came, and its answer comes back", async () => {
  let seen: HttpRequest | null = null;
  const handle: Handle = async (request) => {
    seen = request;
    const body = new TextEncoder().encode(`${await textOf(request)}!`);
    return { status: 201, headers: [["x-said", "yes"]], body };
  };
  await through(handle, async (carry) => {
    const headers = { "x-own": "1", [CARRIED_FIELD]: "203.0.113.9 https HTTP/1.1" };
    const asked = requestOf("https://provider.test/a/b?c=%20", {
      method: "POST",
      headers,
      body: "hello",
    });
    const response = responseOf(await carry(asked));
    assert.deepEqual([response.status, response.headers.get("x-said")], [201, "yes"]);
    assert.equal(await response.text(), "hello!");
    assert.deepEqual(
      [seen!.method, seen!.path, seen!.query, seen!.host],
      ["POST", "/a/b", "c=%20", "provider.test"],
    );
    assert.deepEqual(seen!.sender.address, asked.sender.address, "never what the caller says");
    assert.equal(seen!.fields.get("x-own"), "1");
    assert.equal(seen!.fields.get(CARRIED_FIELD), null);
  });
});

Deno.test("what a caller says to the next hop alone hinders nothing, and that it takes trailers is told", async () => {
  const handle: Handle = (request) => {
    const names = request.fields.list.map(([name]) => name);
    return Promise.resolve({ status: 200, headers: [["x-names", names.join()]], body: null });
  };
  await through(handle, async (carry) => {
    const headers = { te: "trailers", trailer: "x-sum", "proxy-connection": "keep-alive" };
    const { status, headers: said } = responseOf(
      await carry(requestOf("https://provider.test/a", { headers })),
    );
    assert.equal(status, 200);
    assert.deepEqual(said.get("x-names")!.split(",").filter((name) => name in headers), ["te"]);
  });
});

Deno.test("where nobody takes it any more its caller may come again", async () => {
  const { status } = await carryTo("/tmp/nobody-listens-here")(requestOf("https://provider.test/"));
  assert.equal(status, 503);
});

Deno.test("who sent it is read from our own words only", () => {
  assert.deepEqual(carriedSender("192.0.2.1 unknown HTTP/2.0"), {
    address: "192.0.2.1",
    scheme: null,
    protocol: "HTTP/2.0",
    takesTrailers: false,
  });
  for (const said of [undefined, "", "192.0.2.1", "192.0.2.1 ftp HTTP/1.1"]) {
    assert.equal(carriedSender(said), null);
  }
});
