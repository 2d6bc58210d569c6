import assert from "node:assert/strict";
import { Fields } from "./fields.ts";
import { readTarget } from "./request_target.ts";

interface Case {
  target: string;
  hosts?: string[];
  method?: string;
  authority?: string | null;
  isHostRequired?: boolean;
}

function read({ target, hosts = ["p.example"], method = "GET", authority = null, ...rest }: Case) {
  const fields = new Fields(hosts.map((host) => ["host", host]));
  return readTarget({ method, target, fields, authority, isHostRequired: true, ...rest });
}

Deno.test("a path and its query are what was sent, octet for octet", () => {
  const cases: [string, string, string | null][] = [
    ["/", "/", null],
    ["/a", "/a", null],
    ["/a?", "/a", ""],
    ["/a?b=c?d", "/a", "b=c?d"],
    ["/%2e%2e/x", "/%2e%2e/x", null],
    ["/a/../b", "/a/../b", null],
    ["//a//b", "//a//b", null],
    ["/caf%E9/'\"\\|", "/caf%E9/'\"\\|", null],
  ];
  for (const [target, path, query] of cases) {
    assert.deepEqual(read({ target }), { path, query, host: "p.example" }, target);
  }
});

Deno.test("of an absolute target the authority counts, not Host", () => {
  const of = (target: string) => read({ target });
  assert.deepEqual(of("http://other:81/a?b"), { path: "/a", query: "b", host: "other:81" });
  assert.deepEqual(of("HTTPS://other"), { path: "/", query: null, host: "other" });
  assert.deepEqual(of("http://other?x"), { path: "/", query: "x", host: "other" });
  for (const target of ["http://", "http:///a", "ftp://a/", "a", "", "http://me@other/", "*"]) {
    assert.throws(() => of(target), { code: "invalid_input" }, target);
  }
});

Deno.test("the asterisk stands for the server, and OPTIONS only asks it", () => {
  const options = read({ target: "*", method: "OPTIONS" });
  assert.deepEqual(options, { path: "*", query: null, host: "p.example" });
});

Deno.test("a fragment is no part of a target", () => {
  assert.throws(() => read({ target: "/a#b" }), { code: "invalid_input", message: /fragment/ });
});

Deno.test("there is one Host, which is one", () => {
  for (const host of ["a", "a:80", "a:", "[::1]:8402", "127.0.0.1:8402", "a_b.example", "%41"]) {
    assert.equal(read({ target: "/", hosts: [host] }).host, host);
  }
  const none = ["", "a b", "a/b", "me@a", "a:b", "a:65536", "a:1:2", "a,b", "[::1", "a#", "a\\b"];
  for (const host of none) {
    assert.throws(() => read({ target: "/", hosts: [host] }), { code: "invalid_input" }, host);
  }
  assert.throws(() => read({ target: "/", hosts: ["a", "a"] }), /more than one Host/);
  assert.throws(() => read({ target: "/", hosts: [] }), /no Host/);
  assert.equal(read({ target: "/", hosts: [], isHostRequired: false }).host, "");
});

Deno.test("in HTTP/2 the authority is the host, and Host may only say the same", () => {
  assert.equal(read({ target: "/", hosts: [], authority: "a:1" }).host, "a:1");
  assert.equal(read({ target: "/", hosts: ["a"], authority: "a" }).host, "a");
  assert.throws(() => read({ target: "/", hosts: ["b"], authority: "a" }), /differ/);
});
