import assert from "node:assert/strict";
import { assertOwnTerms, EXAMPLE_TERMS_NOTE, termsHash } from "./terms.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("terms are known by the hash of their exact bytes", () => {
  assert.equal(
    termsHash(bytes("")),
    "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
  );
  assert.notEqual(termsHash(bytes("Be kind.")), termsHash(bytes("Be kind.\n")));
});

Deno.test("terms are one's own once the example's last paragraph is gone", () => {
  const example = `I promise nothing.\n\n${EXAMPLE_TERMS_NOTE}\n`;
  const rewrapped = example.replaceAll(" ", "\r\n  ");
  for (const text of [example, rewrapped, `${example}And one line more.\n`]) {
    assert.throws(() => assertOwnTerms(bytes(text), "/home/terms.txt"), {
      code: "invalid_config",
      message: /^\/home\/terms\.txt is still the example/,
    });
  }
  assertOwnTerms(bytes("I promise nothing.\n"), "terms.txt");
});
