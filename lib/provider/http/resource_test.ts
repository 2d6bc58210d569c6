import assert from "node:assert/strict";
import { RESOURCE_DESCRIPTION_CHARACTERS_MAX } from "../../limits_of_offers.ts";
import type { Target } from "./target.ts";
import { resourceOf, type Service } from "./resource.ts";

const CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const OURS: Service = { name: "paolo.eth", webDomain: new URL("https://paolo.example") };
const AT_A_PORT: Service = { ...OURS, webDomain: new URL("http://localhost:8402/") };

function urlOf(
  form: Target["form"],
  host: string,
  path: string,
  query: string | null = null,
  service = OURS,
): string {
  return resourceOf(service, { form } as Pick<Target, "form">, { host, path, query }).url;
}

Deno.test("below the provider the URL is its configured one, whatever host was asked", () => {
  for (const host of ["paolo.example", "evil.example", "127.0.0.1:8402", "", "PAOLO.example:443"]) {
    assert.equal(urlOf("path", host, `/${CID}/a`), `https://paolo.example/${CID}/a`, host);
    assert.equal(urlOf("provider", host, "/ipfs"), "https://paolo.example/ipfs", host);
  }
  assert.equal(urlOf("path", "x", "/a", null, AT_A_PORT), "http://localhost:8402/a");
  const below = { ...OURS, webDomain: new URL("https://paolo.example/run/") };
  assert.equal(urlOf("path", "x", "/a", null, below), "https://paolo.example/run/a");
});

Deno.test("path and query are those that were asked, octet for octet", () => {
  const asked: [string, string | null][] = [
    [`/${CID}`, null],
    [`/${CID}`, ""],
    [`/${CID}//a/./../b`, "x=%2f&y=%2F"],
    [`/${CID}/%7Euser/~user/%41`, "a=b?c=d"],
    [`/%62afk/Groß`.replace("ß", "%C3%9F"), "q=a+b%20c&&"],
    [`/${CID}/"<>\\^{|}`, "'`"],
  ];
  for (const [path, query] of asked) {
    const target = path + (query === null ? "" : `?${query}`);
    assert.equal(urlOf("path", "x", path, query), `https://paolo.example${target}`);
  }
  // What no URL has: octets that a client can only have meant escaped.
  assert.equal(urlOf("path", "x", "/a\xe9", "\x7f"), "https://paolo.example/a%E9?%7F");
});

Deno.test("on a host of its own a deployment's URL is below the configured domain", () => {
  const labels = [CID, "k2k4r8ng8uzrtqb5ham8kao889m8qezu96z4w3lpinyqghum43veb6n3", "blog"];
  for (const label of labels) {
    for (const host of [`${label}.paolo.example`, `${label.toUpperCase()}.PAOLO.example.:443`]) {
      assert.equal(urlOf("host", host, "/a", "b"), `https://${label}.paolo.example/a?b`);
    }
    const local = urlOf("host", `${label}.localhost:1`, "/", null, AT_A_PORT);
    assert.equal(local, `http://${label}.localhost:8402/`);
  }
});

Deno.test("called by a domain of its own, a deployment's URL is there", () => {
  assert.equal(urlOf("domain", "www.example.com:80", "/a", ""), "https://www.example.com/a?");
  const local = urlOf("domain", "www.example.com", "/", null, AT_A_PORT);
  assert.equal(local, "http://www.example.com:8402/");
});

Deno.test("what a deployment is, its owner says, within what clients take", () => {
  const asked = { host: "x", path: "/a", query: null };
  const say = (about: Parameters<typeof resourceOf>[3], service = OURS) =>
    resourceOf(service, { form: "path" }, asked, about);
  const plain = say(null);
  assert.match(plain.description!, /paolo\.eth/);
  assert.deepEqual([plain.mimeType, plain.serviceName, plain.tags], [
    "application/octet-stream",
    "paolo.eth",
    undefined,
  ]);
  const told = say({ description: "Bakes", mimeType: "text/plain", tags: ["bread"] });
  assert.deepEqual([told.description, told.mimeType, told.tags], ["Bakes", "text/plain", [
    "bread",
  ]]);
  const long = say({ description: "🍞".repeat(400), tags: [..."abcdefg", "t".repeat(33)] });
  assert.ok(long.description!.length <= RESOURCE_DESCRIPTION_CHARACTERS_MAX);
  assert.ok(long.description!.isWellFormed() && long.description!.endsWith("…"));
  assert.deepEqual(long.tags, [..."abcde"]);
  for (const name of ["паоло.eth", "a".repeat(33)]) {
    assert.equal(say(null, { ...OURS, name }).serviceName, undefined);
  }
});
