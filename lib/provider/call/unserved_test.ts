import assert from "node:assert/strict";
import { Fields } from "../http/fields.ts";
import { assertServed } from "./unserved.ts";

const NONE = new Fields([]);
const typed = (type: string) => ({ upgrade: null, fields: new Fields([["content-type", type]]) });
const refusal = { code: "not_implemented" };

Deno.test("a WebSocket is for servers", () => {
  const asked = { upgrade: "websocket" as const, fields: NONE };
  for (const style of ["curl", "cgi"] as const) {
    assert.throws(() => assertServed(asked, style), { ...refusal, message: /WebSocket/ });
    assertServed({ upgrade: null, fields: NONE }, style);
  }
  assertServed(asked, "http");
});

Deno.test("gRPC is refused by name where a server would be asked, and what looks like it is not", () => {
  for (const type of ["application/grpc", "application/grpc+proto", "Application/gRPC; a=b"]) {
    assert.throws(() => assertServed(typed(type), "http"), { ...refusal, message: /gRPC/ }, type);
    assertServed(typed(type), "curl");
  }
  for (const type of ["application/grpc-web+proto", "application/json", "application/grpcs"]) {
    assertServed(typed(type), "http");
  }
});
