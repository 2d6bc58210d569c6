import assert from "node:assert/strict";
import { nameServerFault, nameServersOf, parseNameServer } from "./name_server.ts";

const at = (address: string, port = 53) => ({ address, port });

Deno.test("the servers of a resolv.conf are asked in its order, three at most", () => {
  const cases: [string, ReturnType<typeof at>[]][] = [
    ["nameserver 192.0.2.1\n", [at("192.0.2.1")]],
    ["# x\n  nameserver\t2001:db8::1 \nsearch example\nnameserver 192.0.2.1", [
      at("2001:db8::1"),
      at("192.0.2.1"),
    ]],
    ["nameserver fe80::1%eth0\n", [at("fe80::1%eth0")]],
    ["nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n", [
      at("1.1.1.1"),
      at("2.2.2.2"),
      at("3.3.3.3"),
    ]],
    ["#nameserver 1.1.1.1\nnameserver nonsense\n", [at("127.0.0.1")]],
    ["", [at("127.0.0.1")]],
  ];
  for (const [text, servers] of cases) assert.deepEqual(nameServersOf(text), servers, text);
});

Deno.test("a configured server is an address, and a port where it is another than 53", () => {
  assert.deepEqual(parseNameServer("127.0.0.1:5353"), at("127.0.0.1", 5353));
  assert.deepEqual(parseNameServer("[::1]:5353"), at("::1", 5353));
  assert.deepEqual(parseNameServer("192.0.2.1"), at("192.0.2.1"));
  for (const text of ["", "dns.example:53", "127.0.0.1:0", "127.0.0.1:70000", "::1", "1.2.3:53"]) {
    assert.match(nameServerFault(text)!, /IP address/, text);
    assert.throws(() => parseNameServer(text), { code: "invalid_config" });
  }
});
