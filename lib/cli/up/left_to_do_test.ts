import assert from "node:assert/strict";
import { dnsLine, publicAddresses, remainingLines, withEndpoint } from "./left_to_do.ts";

const KEY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

Deno.test("records are asked for until they lead to this machine", () => {
  const a = { name: "paolo.example", type: "A", wanted: ["203.0.113.5"], found: [] } as const;
  assert.equal(dnsLine(a), "paolo.example  A  203.0.113.5");
  assert.equal(
    dnsLine({ ...a, found: ["198.51.100.1"] }),
    "paolo.example  A  203.0.113.5 (now 198.51.100.1)",
  );
  assert.equal(dnsLine({ ...a, found: ["203.0.113.5"] }), null);
  assert.equal(dnsLine({ ...a, wanted: [] }), "paolo.example  A  this machine's public address");
  assert.equal(dnsLine({ ...a, wanted: [], found: ["198.51.100.1"] }), null, "behind NAT");
  const hidden = ["10.1.2.3", "192.168.0.2", "172.20.0.1", "100.64.0.1", "fd00::2", "::1"];
  assert.deepEqual(publicAddresses([...hidden, "203.0.113.5", "2001:db8::1", "172.32.0.1"]), [
    "203.0.113.5",
    "2001:db8::1",
    "172.32.0.1",
  ]);
});

Deno.test("what is left is told by whom, and an endpoint that may be a secret is not", () => {
  const line = "khachapuri register paolo.eth --domain https://paolo.example";
  const poor = { address: KEY, balance: 0n, wanted: 1_234_000_000_000_000n };
  const lines = remainingLines({
    operator: poor,
    dns: [{ name: "*.paolo.example", type: "A", wanted: [], found: [] }],
    registration: withEndpoint(line, ["http://127.0.0.1:8545"]),
  });
  assert.deepEqual(lines.filter((text) => text.startsWith("  ")), [
    "  *.paolo.example  A  this machine's public address",
    `  send 0.0013 of the chain's coin to ${KEY} (it has 0)`,
    `  ${line} --rpc http://127.0.0.1:8545`,
  ]);
  const secret = "https://base.example/v2/Sekret";
  assert.equal(withEndpoint(line, [secret]), `${line} --rpc URL`);
  const rpc = ["https://mainnet.base.org", "https://base-rpc.publicnode.com"];
  assert.equal(withEndpoint(line, rpc), `${line} --rpc https://mainnet.base.org`);
  const rich = { ...poor, balance: poor.wanted };
  const done = remainingLines({ operator: rich, dns: [], registration: null });
  assert.deepEqual(done, ["nothing is left to do"]);
});
