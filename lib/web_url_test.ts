import assert from "node:assert/strict";
import { isBare, isConfidential } from "./web_url.ts";

Deno.test("isConfidential() takes https and this machine, nothing that a name server decides", () => {
  const cases: [string, boolean][] = [
    ["https://a.example", true],
    ["http://127.0.0.1:8402/x", true],
    ["http://127.1.2.3", true],
    ["http://[::1]:80", true],
    ["http://localhost:8402", true],
    ["http://a.example", false],
    ["http://127.0.0.1.example", false],
    ["http://localhost.example", false],
    ["http://10.0.0.1", false],
    ["ftp://localhost", false],
  ];
  for (const [url, expected] of cases) assert.equal(isConfidential(new URL(url)), expected, url);
});

Deno.test("isBare() takes no URL in which a secret may stand", () => {
  const isBareUrl = (url: string) => isBare(new URL(url));
  assert.ok(["https://a.example", "https://a.example/psa/", "http://[::1]:80"].every(isBareUrl));
  const secret = ["https://u:p@a.example", "https://u@a.example", "https://:p@a.example"];
  assert.ok(![...secret, "https://a.example/?token=x"].some(isBareUrl));
});
