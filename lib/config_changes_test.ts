import assert from "node:assert/strict";
import { changesBetween, changeText, maskedChangeText } from "./config_changes.ts";

const lines = (before: object, after: object) => changesBetween(before, after).map(changeText);
const masked = (before: object, after: object) =>
  changesBetween(before, after).map(maskedChangeText);

Deno.test("a line for each field that differs says what it said and says", () => {
  const before = { provider: { price: "1000", tls: { cert: "a.pem" }, terms: ["a"] } };
  const after = { provider: { price: "2000", terms: ["b", "a"], listen: "[::]:443" } };
  assert.deepEqual(lines(before, after), [
    'provider.price: "1000" → "2000"',
    'provider.tls.cert: "a.pem" → nothing',
    'provider.terms: ["a"] → ["b","a"]',
    'provider.listen: "[::]:443"',
  ]);
  assert.deepEqual(lines(after, after), []);
});

Deno.test("keys in URLs, and what is called a secret, are told to nobody", () => {
  const before = { rpc: ["https://u:pw@rpc.example/v2/KEY1"], kubo: { token: "T1" } };
  const after = { rpc: ["https://rpc.example/v2/KEY2?k=KEY3", "wss://b.example/"], kubo: {} };
  const said = masked(before, after).join("\n");
  assert.equal(
    said,
    'rpc: ["https://rpc.example/…"] → ["https://rpc.example/…","wss://b.example/"]\n' +
      'kubo.token: "[withheld]" → nothing'.replaceAll('"', ""),
  );
  const publish = (token: string) => ({ publish: [{ kind: "kubo", url: "http://a.b/x", token }] });
  assert.deepEqual(masked(publish("T1"), publish("T2")), ["publish: changed in what is not shown"]);
  const one = { rpc: "https://rpc.example/KEY1" };
  const other = { rpc: "https://rpc.example/KEY2" };
  assert.deepEqual(masked(one, other), ["rpc: changed in what is not shown"]);
  assert.doesNotMatch(masked({}, publish("T9")).join(), /T9|\/x/);
});
