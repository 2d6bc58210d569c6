import assert from "node:assert/strict";
import type { CaRequest } from "./ca_requests.ts";
import { renewalInfoOf } from "./renewal_info.ts";

const FACTS = {
  names: ["a.example"],
  issuer: "CN=CA",
  notBefore: 0,
  notAfter: Date.parse("2030-03-01T00:00:00Z"),
  serial: "01",
  renewalId: "aki.serial",
};
const DIRECTORY = "https://ca.example/directory";

function ask(info: unknown, headers: Record<string, string> = {}, directory: unknown = {
  renewalInfo: "https://ca.example/ari/",
}) {
  const asked: string[] = [];
  const request: CaRequest = (url) => {
    asked.push(url);
    return Promise.resolve({ status: 200, headers, data: url === DIRECTORY ? directory : info });
  };
  const told = renewalInfoOf(FACTS, { directoryUrl: DIRECTORY, request, now: () => 0 });
  return { told, asked };
}

const window = (start: string, end: string) => ({ suggestedWindow: { start, end } });

Deno.test("a CA is asked for its window by the certificate's name", async () => {
  const { told, asked } = ask(window("2030-02-01T00:00:00Z", "2030-02-03T00:00:00Z"), {
    "retry-after": "7200",
  });
  const { window: found, againSeconds } = await told;
  assert.deepEqual(asked, [DIRECTORY, "https://ca.example/ari/aki.serial"]);
  assert.equal(found!.start, Date.parse("2030-02-01T00:00:00Z"));
  assert.equal(againSeconds, 7_200);
});

Deno.test("a window that is of no use is none, and a CA is not asked without end", async () => {
  const backwards = window("2030-02-03T00:00:00Z", "2030-02-01T00:00:00Z");
  assert.equal((await ask(backwards).told).window, null);
  const late = window("2031-02-03T00:00:00Z", "2031-02-04T00:00:00Z");
  assert.equal((await ask(late, { "retry-after": "1" }).told).window, null);
  assert.equal((await ask(late, { "retry-after": "1" }).told).againSeconds, 3_600);
  assert.equal((await ask({}, {}, {}).told).window, null);
  await assert.rejects(ask({ suggestedWindow: { start: "soon", end: "later" } }).told, {
    code: "no_certificate",
  });
  await assert.rejects(ask("html").told, { code: "no_certificate" });
});
