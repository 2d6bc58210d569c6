import assert from "node:assert/strict";
import { parseCurlFlags } from "./curl_flags.ts";
import { redirectedRequest, redirectUrl } from "./curl_redirect.ts";
import { wireRequest } from "./curl_request.ts";
import { formatCurlUrl, parseCurlUrl } from "./curl_url.ts";

const from = parseCurlUrl("https://h/a/b?q");
const to = (location: string, status = 302) => {
  const url = redirectUrl({ status, fields: [["LOCATION", location]] }, from, false);
  return url && formatCurlUrl(url);
};

async function hop(status: number, isElsewhere: boolean, ...flags: string[]) {
  const inputs = { file: () => Promise.reject(), stdin: () => Promise.reject() };
  const { request, transfer } = await parseCurlFlags([...flags, "-L", "/"], inputs);
  const redirects = transfer.redirects!;
  const next = redirectedRequest(request, status, { isElsewhere, redirects });
  const { method, body, fields } = wireRequest(next, from);
  return { method, hasBody: body !== null, names: fields.map(([name]) => name.toLowerCase()) };
}

Deno.test("a redirect's URL is taken relative to the one that answered", () => {
  const cases = [
    ["c", "https://h/a/c"],
    ["../c?d#e", "https://h/c?d"],
    ["/c d", "https://h/c%20d"],
    ["?d", "https://h/a/b?d"],
    ["//o/c", "https://o/c"],
    ["http://o:81/é", "http://o:81/%C3%A9"],
  ] as const;
  for (const [location, url] of cases) {
    const octets = String.fromCharCode(...new TextEncoder().encode(location));
    assert.equal(to(octets), url, location);
  }
  assert.equal(to("c", 200), null);
  assert.equal(redirectUrl({ status: 302, fields: [] }, from, false), null);
  assert.throws(() => to("file:///etc/passwd"), { code: "usage" });
});

Deno.test("a POST becomes a GET after 301, 302 and 303, and stays one after 307 and 308", async () => {
  for (const status of [301, 302, 303]) {
    const { method, hasBody } = await hop(status, false, "-d", "x", "-H", "Content-Length: 1");
    assert.deepEqual([method, hasBody], ["GET", false]);
  }
  for (const status of [307, 308]) {
    assert.deepEqual((await hop(status, false, "-d", "x")).method, "POST");
  }
  assert.equal((await hop(302, false, "-d", "x", "--post302")).method, "POST");
  assert.equal((await hop(302, false, "-d", "x", "-X", "PATCH")).method, "PATCH");
  assert.equal((await hop(303, false, "-I")).method, "HEAD");
});

Deno.test("secrets stay with their host, and a permit always does", async () => {
  const secrets = ["-u", "a:b", "-b", "c=d", "-H", "Host: x", "-H", "Payment-Signature: p"];
  const here = await hop(302, false, ...secrets);
  for (const name of ["authorization", "cookie", "payment-signature"]) {
    assert(here.names.includes(name), name);
  }
  const elsewhere = await hop(302, true, ...secrets, "-H", "X-Mine: 1");
  assert.deepEqual(elsewhere.names, ["host", "user-agent", "accept", "x-mine"]);
  const trusted = await hop(302, true, ...secrets, "--location-trusted");
  assert(trusted.names.includes("authorization") && !trusted.names.includes("payment-signature"));
});
