import assert from "node:assert/strict";
import { Fields } from "../http/fields.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Protocol } from "../http/request.ts";
import { upgradeOf, upgrades } from "./handshake.ts";

const HANDSHAKE: Record<string, string> = {
  "connection": "keep-alive, Upgrade",
  "upgrade": "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

interface Asked {
  method?: string;
  protocol?: Protocol;
  fields?: Record<string, string>;
  more?: HeaderField[];
}

function ask({ fields = {}, more = [], ...line }: Asked): "websocket" | null {
  const list = [...Object.entries({ ...HANDSHAKE, ...fields }), ...more];
  return upgradeOf({ method: "GET", protocol: "HTTP/1.1", ...line, fields: new Fields(list) });
}

Deno.test("a handshake is one by all that RFC 6455 asks of it", () => {
  assert.equal(ask({}), "websocket");
  assert.equal(ask({ fields: { upgrade: "WebSocket" } }), "websocket");
  assert.equal(ask({ fields: { upgrade: "h2c, websocket" } }), "websocket");
  assert.equal(ask({ fields: { "content-length": "0" } }), "websocket");
  const refused: [Asked, RegExp][] = [
    [{ method: "POST" }, /is a GET/],
    [{ protocol: "HTTP/1.0" }, /comes in HTTP\/1\.1/],
    [{ fields: { "sec-websocket-version": "12" } }, /Version 13/],
    [{ more: [["sec-websocket-version", "8"]] }, /Version 13/],
    [{ fields: { "sec-websocket-key": "" } }, /one Sec-WebSocket-Key/],
    [{ fields: { "sec-websocket-key": "dGhlIHNhbXBsZQ==" } }, /of 16 octets/],
    [{ more: [["sec-websocket-key", HANDSHAKE["sec-websocket-key"]!]] }, /one Sec-WebSocket-Key/],
    [{ fields: { "content-length": "3" } }, /has no body/],
    [{ fields: { "transfer-encoding": "chunked" } }, /has no body/],
  ];
  for (const [asked, message] of refused) {
    assert.throws(() => ask(asked), { code: "invalid_input", message }, JSON.stringify(asked));
  }
});

Deno.test("another protocol is refused by name, and what asks for none is none", () => {
  assert.throws(() => ask({ fields: { upgrade: "foo/2" } }), {
    code: "not_implemented",
    message: /"foo\/2"/,
  });
  assert.throws(() => ask({ fields: { upgrade: "h2c, foo" } }), { code: "not_implemented" });
  for (const upgrade of ["h2c", "h2, H2C", "", ","]) {
    assert.equal(ask({ fields: { upgrade } }), null, upgrade);
  }
  assert.equal(ask({ fields: { connection: "keep-alive" } }), null);
  assert.equal(ask({ protocol: "HTTP/1.0", fields: { upgrade: "foo" } }), null);
  assert.equal(ask({ protocol: "HTTP/2.0" }), null);
  assert.deepEqual(upgrades(new Fields([["upgrade", "a"]])), []);
});
