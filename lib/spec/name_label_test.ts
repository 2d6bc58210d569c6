import assert from "node:assert/strict";
import { assertLabel, labelFault } from "./name_label.ts";

Deno.test("words are labels, however they begin", () => {
  const good = ["blog", "my-app", "a-1", "kitchen", "zdnet", "qmail", "f0123", "m".repeat(39)];
  good.push(`${"a".repeat(40)}-${"b".repeat(22)}`);
  assert.deepEqual(good.filter((label) => labelFault(label) !== null), ["f0123"]);
});

Deno.test("what is no DNS label, a cid or something else at providers is none, and it says why", () => {
  const bad: [string, RegExp][] = [
    ["", /3 to 63/],
    ["ab", /3 to 63/],
    ["a".repeat(64), /3 to 63/],
    ["Blog", /a to z/],
    ["blog.eth", /a to z/],
    ["blög", /a to z/],
    ["b_log", /a to z/],
    ["blog\n", /a to z/],
    ["-blog", /neither begins/],
    ["blog-", /neither begins/],
    ["xn--bcher-kva", /third and fourth/],
    ["12345", /digits/],
    ["bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", /like a cid/],
    ["bafkrei", /like a cid/],
    ["k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8", /like a cid/],
    ["f01551220e3b0c442", /like a cid/],
    ["healthz", /something else/],
    ["ipfs", /something else/],
    ["www", /something else/],
    ["pay", /something else/],
  ];
  for (const [label, why] of bad) {
    assert.match(labelFault(label) ?? "nothing", why, label);
    assert.throws(() => assertLabel(label), { code: "invalid_name" });
  }
});
