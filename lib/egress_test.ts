import assert from "node:assert/strict";
import { addressFault, egressFault, isAllowed, patternFault } from "./egress.ts";

Deno.test("a spec asks for names and ports", () => {
  for (const good of ["api.example.com:443", "a.b:1", "_dmarc.example.com:65535", "*.a.b:443"]) {
    assert.equal(egressFault(good), null, good);
  }
  for (
    const bad of ["example.com", "a:0", "a:65536", "http://a:1", "a b:1", "-a:1", "*:443", "a:*"]
  ) {
    assert.match(egressFault(bad)!, /host:port/, bad);
  }
  assert.match(egressFault("API.example.com:443")!, /lower case/);
  assert.match(egressFault("*.com:443")!, /top-level/);
  assert.match(egressFault("mx.example.com:25")!, /port 25/);
  assert.match(egressFault(`${"a".repeat(64)}.com:443`)!, /host:port/);
  assert.match(egressFault(`${"a.".repeat(130)}com:443`)!, /host:port/);
});

Deno.test("one label alone is no name of a host that everybody would call so", () => {
  for (const bad of ["localhost:80", "jenkins:443", "_x:1"]) {
    assert.match(egressFault(bad)!, /not a full name/, bad);
    assert.match(patternFault(bad)!, /not a full name/, bad);
  }
  assert.match(patternFault("db:*")!, /not a full name/);
});

Deno.test("addresses are no names, however they are written", () => {
  for (const bad of ["10.0.0.1:80", "127.1:80", "2130706433:80", "0x7f000001:80", "0x7f.0x1:80"]) {
    assert.match(egressFault(bad)!, /address/, bad);
  }
  for (const bad of ["[::1]:80", "::1:80", "[::ffff:10.0.0.1]:80"]) {
    assert.match(egressFault(bad)!, /address/, bad);
  }
});

Deno.test("a provider's patterns may leave host and port open", () => {
  for (const good of ["*:443", "*:*", "*.example.com:*", "*.com:443", "db.example.com:5432"]) {
    assert.equal(patternFault(good), null, good);
  }
  for (const bad of ["*", "443", "*:0", "*a.com:1", "a.*.com:1", "*:443,*:80"]) {
    assert.match(patternFault(bad)!, /pattern/, bad);
  }
  // They would never be met: who writes them expects something else.
  for (const bad of ["10.0.0.1:443", "127.1:*", "0x7f000001:1"]) {
    assert.match(patternFault(bad)!, /address/, bad);
  }
  assert.match(patternFault("*:25")!, /port 25/);
});

Deno.test("a pattern covers what it stands for and no more", () => {
  const covers = (pattern: string, wanted: string) => isAllowed(wanted, [pattern]);
  assert(covers("*:443", "api.example.com:443"));
  assert(covers("*:443", "*.example.com:443"));
  assert(!covers("*:443", "api.example.com:80"));
  assert(covers("*:*", "api.example.com:80"));
  assert(covers("*.example.com:443", "api.example.com:443"));
  assert(covers("*.example.com:443", "*.example.com:443"));
  assert(covers("*.example.com:443", "*.a.example.com:443"));
  assert(!covers("*.example.com:443", "example.com:443"));
  assert(!covers("*.example.com:443", "badexample.com:443"));
  assert(!covers("api.example.com:443", "*.example.com:443"));
  assert(!covers("*.a.example.com:443", "*.example.com:443"));
  assert(!isAllowed("api.example.com:443", []));
});

Deno.test("an address to connect to is one, with its port", () => {
  for (const good of ["127.0.0.1:1", "[::1]:65535", "192.0.2.1:443"]) {
    assert.equal(addressFault(good), null, good);
  }
  for (
    const bad of ["127.0.0.1", "127.1:80", "::1:80", "localhost:80", "[::1]", "[]:1", "1.2.3.4:0"]
  ) {
    assert.match(addressFault(bad)!, /address:port/, bad);
  }
});
