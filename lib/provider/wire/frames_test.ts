import assert from "node:assert/strict";
import { frame, GOAWAY, HEADERS, PING, PREFACE } from "../../../tests/wire/http2/frames.ts";
import { FrameFilter } from "./frames.ts";

const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

Deno.test("all frames go through but GOAWAY, however they are cut", () => {
  const before = PREFACE + frame(HEADERS, 4, 1, "x".repeat(300)) + frame(PING, 0, 0, "");
  const bye = frame(GOAWAY, 0, 0, "\0".repeat(8));
  const behind = frame(PING, 0, 0, "12345678");
  const all = octets(before + bye + behind + bye);
  for (const size of [1, 7, 9, 33, all.length]) {
    let gone = 0;
    const filter = new FrameFilter(() => gone += 1);
    let passed = "";
    for (let at = 0; at < all.length; at += size) {
      passed += text(filter.pass(all.subarray(at, at + size)));
    }
    assert.equal(passed, before + behind, String(size));
    assert.equal(gone, 2);
  }
});
