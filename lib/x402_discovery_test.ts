import assert from "node:assert/strict";
import { EXTENDED_402_BYTES_MAX } from "./limits_of_discovery.ts";
import { paymentRequired, toHeader } from "./payment_required.ts";
import { describing } from "./x402_discovery.ts";

const REQUIRED = paymentRequired([{ scheme: "credits" }], { url: "/a", error: "nobody pays" });
const WORDS = { description: "Says hello.", mimeType: "text/plain", tags: ["hello"] };

Deno.test("a 402 says what its resource is, and passes on its extensions", () => {
  const extensions = { bazaar: { info: {}, schema: {} } };
  assert.deepEqual(describing(REQUIRED, { ...WORDS, extensions }), {
    ...REQUIRED,
    resource: { url: "/a", ...WORDS },
    extensions,
  });
  assert.deepEqual(describing(REQUIRED, WORDS), { ...REQUIRED, resource: { url: "/a", ...WORDS } });
  assert.equal(describing(REQUIRED, undefined), REQUIRED);
});

Deno.test("extensions that make its header too large are left out, to the byte", () => {
  const sized = (bytes: number) =>
    describing(REQUIRED, { ...WORDS, extensions: { a: "ა".repeat(bytes) } });
  let most = 0;
  while ("extensions" in sized(most + 1)) most++;
  assert.ok(toHeader(sized(most)).length <= EXTENDED_402_BYTES_MAX);
  assert.ok(toHeader(sized(most)).length > EXTENDED_402_BYTES_MAX - 8, "no earlier than it must");
  assert.deepEqual(sized(most + 1).resource, { url: "/a", ...WORDS }, "the words stay");
});
