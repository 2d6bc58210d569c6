import assert from "node:assert/strict";
import { answersIn, answersJson, assertWhole, firstOf, parseAnswers } from "./answers.ts";
import { configAfter } from "./provider_fields.ts";

const KEY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const ALL = {
  name: "paolo.eth",
  domain: "https://paolo.example",
  price: "0.001",
  address: KEY,
  chain: "base",
  https: "http-01",
  agreeToCa: true,
  email: "me@paolo.example",
};

Deno.test("wrong answers are refused by the field's name, and unknown ones", () => {
  const wrong: [object, RegExp][] = [
    [{ name: "paolo..eth" }, /^file: name: /],
    [{ domain: "http://paolo.example" }, /^file: domain: not a domain/],
    [{ domain: "https://paolo.example/shop" }, /^file: domain: /],
    [{ domain: "two words" }, /^file: domain: /],
    [{ price: "-1" }, /^file: price: /],
    [{ price: 0.001 }, /^file: price: not a text: write "0.001"/],
    [{ address: "0x12" }, /^file: address: not an Ethereum address/],
    [{ address: KEY.replace("C7", "c7") }, /^file: address: a wrong checksum/],
    [{ chain: "dogecoin" }, /^file: chain: none of base, /],
    [{ rpc: [] }, /^file: rpc: list at least one URL/],
    [{ rpc: ["ws://x"] }, /^file: rpc\.0: not an http/],
    [{ https: "magic" }, /^file: https: none of http-01, .*: magic/],
    [{ email: "me" }, /^file: email: not an e-mail address/],
    [{ listen: "localhost" }, /^file: listen: not ADDRESS:PORT/],
    [{ listen: "1.2.3.4:70000" }, /^file: listen: /],
    [{ terms: "terms.txt" }, /^file: terms: not an absolute path/],
    [{ certificate: { cert: "/a" } }, /^file: certificate\.key is missing/],
    [{ nmae: "x" }, /^file: unknown field nmae/],
    [[], /^file: it is a list/],
  ];
  for (const [value, message] of wrong) {
    assert.throws(
      () => parseAnswers(value, "file"),
      { shortMessage: message },
      JSON.stringify(value),
    );
  }
});

Deno.test("a file of answers repeats what was answered, and what a configuration says", () => {
  const answers = assertWhole(parseAnswers(ALL, "file"));
  assert.deepEqual(answersJson(answers), ALL);
  const config = configAfter({}, answers);
  const { listen: _, ...read } = answersIn(config);
  assert.deepEqual(answersJson(read), ALL);
});

Deno.test("a domain that no certificate could be for is refused unless it is had elsewhere", () => {
  for (const domain of ["192.0.2.1", "localhost", "*.paolo.example"]) {
    const all = { ...ALL, domain };
    assert.throws(() => assertWhole(parseAnswers(all, "file")), {
      code: "invalid_input",
      message: /^the domain https:.* has no domain that a certificate could be for/,
    });
    assertWhole(parseAnswers({ ...all, https: "proxy" }, "file"));
  }
});

Deno.test("the first that says a field wins", () => {
  const flags = parseAnswers({ price: "2" }, "flags");
  const file = parseAnswers({ ...ALL, price: "1" }, "file");
  assert.equal(firstOf(flags, file, {}).price, "2");
  assert.equal(firstOf(flags, file, {}).name, "paolo.eth");
});
