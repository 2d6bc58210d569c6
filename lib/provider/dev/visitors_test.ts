import assert from "node:assert/strict";
import { Fields } from "../http/fields.ts";
import { assertWelcome } from "./visitors.ts";

const NAMES = ["192.0.2.7", "App.test"];

function visit(host: string, fields: Record<string, string> = {}, method = "POST") {
  assertWelcome({ method, host, fields: new Fields(Object.entries(fields)) }, NAMES);
}

Deno.test("this machine's own names are answered, and those that were allowed; no other", () => {
  const ours = ["localhost", "LOCALHOST:1", "a.b.localhost:80", "localhost.", "127.0.0.1:8787"];
  for (const host of [...ours, "[::1]:8787", "192.0.2.7:1", "app.test.:1", ""]) visit(host);
  const others = ["evil.test", "localhost.evil.test:8787", "notlocalhost", "127.0.0.1.evil.test"];
  for (const host of [...others, "127.0.0.2", "192.0.2.8", "a.app.test", "[::2]"]) {
    assert.throws(() => visit(host), { code: "misdirected", message: /^dev does not answer as / });
  }
});

Deno.test("what pages of other sites have browsers send is refused, and the developer's own not", () => {
  const from = (origin: string, site?: string) => ({
    origin,
    ...(site === undefined ? {} : { "sec-fetch-site": site }),
  });
  visit("localhost", from("http://localhost:5173", "same-site"));
  visit("localhost", from("https://proxied.test", "same-origin"));
  visit("localhost", from("http://127.0.0.1:5173", "cross-site"));
  visit("localhost", from("https://app.test", "cross-site"));
  visit("localhost", from("http://localhost:5173"));
  visit("localhost", { "sec-fetch-site": "none" });
  for (
    const fields of [
      from("https://evil.test", "cross-site"),
      from("https://evil.test"),
      from("null", "cross-site"),
      from("null"),
      { "sec-fetch-site": "cross-site" },
    ]
  ) {
    assert.throws(() => visit("localhost", fields), { code: "access_denied" });
  }
});

Deno.test("a link of another site may be followed, and no more than that", () => {
  const link = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
  };
  visit("localhost", link, "GET");
  const denied = { code: "access_denied" };
  assert.throws(() => visit("localhost", link, "POST"), denied);
  assert.throws(() => visit("localhost", { ...link, "sec-fetch-dest": "iframe" }, "GET"), denied);
  assert.throws(() => visit("localhost", { ...link, "sec-fetch-mode": "no-cors" }, "GET"), denied);
});
