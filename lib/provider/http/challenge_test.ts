import assert from "node:assert/strict";
import { REQUEST_TARGET_BYTES_MAX } from "../../limits.ts";
import { PAYMENT_REQUIRED_BYTES_MAX } from "../../limits_of_offers.ts";
import { type PaymentRequired, toHeader } from "../../payment_required.ts";
import { challengeOf } from "./challenge.ts";

const LANE = { lane: `0x${"ab".repeat(32)}`, cumulative: String(2n ** 128n - 1n) };
const PROOF = { credits: "41", price: "1000", signature: `0x${"cd".repeat(65)}` };
const ACCEPTS = [
  { scheme: "credits", network: "eip155:8453", extra: { ...LANE, proof: PROOF } },
  { scheme: "exact", network: "eip155:8453", extra: { name: "USD Coin", version: "2" } },
];

function challenge(url: string, more: Partial<PaymentRequired> = {}): PaymentRequired {
  const tags = ["compute"];
  const resource = { url, description: "d".repeat(500), serviceName: "paolo.eth", tags };
  const extensions = { bazaar: { info: { input: {} } } };
  return { x402Version: 2, error: "no", resource, accepts: ACCEPTS, extensions, ...more };
}

const decoded = (header: string): PaymentRequired => JSON.parse(atob(header));

Deno.test("what fits is said whole", () => {
  const whole = challenge("https://p.example/bafk/a?b");
  assert.deepEqual(decoded(challengeOf(whole)), whole);
});

Deno.test("what is too long loses what describes first, then what was asked, the proof last", () => {
  let required = challenge("https://p.example/bafk/a/b?c=d");
  const lost: string[] = [];
  // Each time one byte less than what was said takes.
  for (;;) {
    const before = toHeader(required);
    const after = decoded(challengeOf(required, before.length - 1));
    const { extensions, error, resource: { tags, description, serviceName, url }, accepts } = after;
    const [{ extra }] = accepts as unknown as [{ extra: object }];
    lost.push(
      [
        extensions && "extensions",
        tags && "tags",
        description && "description",
        serviceName && "service",
        url.slice("https://p.example".length),
        error && "error",
        "proof" in extra && "proof",
      ].filter((word) => word).join(" "),
    );
    if (toHeader(after).length >= before.length) break;
    required = after;
    if (!("proof" in extra)) break;
  }
  assert.deepEqual(lost, [
    "tags description service /bafk/a/b?c=d error proof",
    "description service /bafk/a/b?c=d error proof",
    "service /bafk/a/b?c=d error proof",
    "/bafk/a/b?c=d error proof",
    "/bafk/a/b error proof",
    "/bafk error proof",
    "/ error proof",
    "/ proof",
    "/",
  ]);
  const [credits, exact] = required.accepts as unknown as [{ extra: object }, object];
  assert.deepEqual(credits.extra, LANE);
  assert.deepEqual(exact, ACCEPTS[1]);
});

Deno.test("no target that is taken makes it too long, and what pays stays", () => {
  const long = "x".repeat(REQUEST_TARGET_BYTES_MAX);
  const targets = [`/bafk?${long}`, `/bafk/${long}`, `/${long}`, `/bafk?${'"'.repeat(8_000)}`];
  for (const target of targets) {
    const header = challengeOf(challenge(`https://p.example${target}`));
    assert.ok(header.length <= PAYMENT_REQUIRED_BYTES_MAX, target.slice(0, 8));
    const { accepts, error, resource } = decoded(header);
    assert.deepEqual([accepts, error], [ACCEPTS, "no"]);
    assert.ok(`https://p.example${target}`.startsWith(resource.url));
    assert.ok(URL.canParse(resource.url));
  }
});

Deno.test("a target of half that length is said as it was asked", () => {
  const url = `https://p.example/bafk?${"x".repeat(REQUEST_TARGET_BYTES_MAX / 2 - 1024)}`;
  assert.equal(decoded(challengeOf(challenge(url))).resource.url, url);
});
