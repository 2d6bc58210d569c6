import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { EGRESS, IPFS, OFFER, PROVIDER, RUNTIMES, SELLER } from "../../../worlds/routes.ts";
import { KEEP_NOTHING } from "../../keep.ts";
import type { Accept } from "../../payment_required.ts";
import type { Runtimes } from "../../runtime.ts";
import type { Offering } from "./page.ts";
import { documentAnswer, documentHtml } from "./document.ts";
import { offeringPage } from "./page_html.ts";
import { STYLE } from "./page_style.ts";

const MIB = 1024 * 1024;
const OFFERING: Offering = {
  name: "provider.test",
  address: PROVIDER.address,
  webDomain: "https://provider.test",
  recipients: ["age1first"],
  termsHashes: [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`],
  keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING },
  timeoutMs: 2_500,
  memoryMb: 256,
  credits: 40,
  requestBytes: 100 * MIB,
  responseBytes: 1_500_000,
  egress: EGRESS,
  instances: 16,
  instanceIdleSeconds: 90,
  names: { perUsdc: 10 },
  ipfs: IPFS,
  offer: OFFER,
};

const offeringHtml = (
  offering: Offering,
  runtimes: Runtimes | null,
  accepts: readonly Accept[] = [],
) => documentHtml(offeringPage(offering, runtimes, accepts));

const shown = (html: string) =>
  html.replace(/&#([0-9]+);/g, (_, code) => String.fromCharCode(Number(code)));

Deno.test("a person reads what this is, and lines to call, pay and deploy", () => {
  const html = shown(offeringHtml(OFFERING, RUNTIMES));
  const said = [
    "This is a provider of Khachapuri.",
    "curl -X POST 'https://provider.test/CID' -d data",
    "khachapuri allow provider.test --credits 1000",
    "khachapuri call --pay 'provider.test/CID'",
    "khachapuri deploy DIR --provider provider.test",
    PROVIDER.address,
    "0.001 USDC a credit",
    `chain 31337, escrow ${SELLER.escrow}`,
    "2.5 s, 256 MiB of memory",
    "<dt>Programs find</dt><dd>sh, python3 3.11.2</dd>",
    "<dt>Tools</dt><dd>curl 7.88.1</dd>",
    "40 credits, 2.5 s each",
    "16 instances of all deployments at a time; one ends after 90 s without a request",
    "listens on <code>PORT</code>, with <code>--interface http</code>",
    "100 MiB there, 1500000 bytes back",
    // The newest of the terms.
    `<dd>0x${"01".repeat(32)}</dd>`,
  ];
  for (const text of said) assert.ok(html.includes(text), text);
  assert.match(html, /<a href="\/terms">/);
});

Deno.test("where no servers are taken the page says so, and how programs are called", () => {
  const html = shown(offeringHtml({ ...OFFERING, instances: 0 }, RUNTIMES));
  assert.match(html, /<dt>Web servers<\/dt><dd>not here: a program is started for each call</);
  assert.doesNotMatch(html, /--interface http/);
});

Deno.test("of long calls nothing is said where a call takes one credit", () => {
  assert.doesNotMatch(offeringHtml({ ...OFFERING, credits: 1 }, RUNTIMES), /A long one/);
});

Deno.test("the key is folded away, and the page stays small with the longest there is", () => {
  const html = offeringHtml({ ...OFFERING, recipients: [`age1pq1${"q".repeat(1952)}`] }, RUNTIMES);
  const [before, folded] = html.split("<details>");
  assert.ok(!before!.includes("age1pq1") && folded!.includes("age1pq1"));
  assert.ok(html.length < 10_000, `${html.length} characters`);
});

Deno.test("the page follows the reader's colours, and says what its parts are", () => {
  const html = offeringHtml(OFFERING, RUNTIMES);
  assert.match(html, /color-scheme: light dark/);
  assert.match(html, /@media \(prefers-color-scheme: dark\)/);
  for (const part of ['<html lang="en">', "<title>", "<main>", "<h1>", "<summary>"]) {
    assert.ok(html.includes(part), part);
  }
});

/** Contrast of two colours (WCAG 2.2, 1.4.3). */
function contrast(one: string, other: string): number {
  const luminance = (colour: string) => {
    const parts = colour.match(/[0-9a-f]{2}/g)!.map((part) => parseInt(part, 16) / 255);
    const [r, g, b] = parts.map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light! + 0.05) / (dark! + 0.05);
}

Deno.test("all text stands out enough in both colour schemes", () => {
  const schemes = [...STYLE.matchAll(/:root \{([^}]*)\}/g)].map((
    [, css],
  ) =>
    Object.fromEntries([...css!.matchAll(/--(\w+): (#[0-9a-f]{6})/g)].map(([, k, v]) => [k, v!]))
  );
  assert.equal(schemes.length, 2);
  for (const { ink, dim, link, bad, paper, box } of schemes) {
    const fronts = [ink, dim, link, bad];
    for (const [front, back] of [...fronts.map((front) => [front, paper]), [ink, box]]) {
      assert.ok(contrast(front!, back!) >= 7, `${front} on ${back}`);
    }
  }
});

Deno.test("the page runs its own script alone, and loads nothing from elsewhere", () => {
  const page = offeringPage(OFFERING, RUNTIMES, []);
  assert.doesNotMatch(page.body, /<script|<link|<img|<iframe|\bon[a-z]+=|style=|url\(|@import/i);
  const policy = new Headers(documentAnswer(page).headers).get("content-security-policy")!;
  const hash = createHash("sha256").update(page.script).digest("base64");
  assert.ok(policy.includes(`script-src 'sha256-${hash}';`));
  assert.doesNotMatch(policy, /unsafe|https?:|\*|connect-src/);
});

Deno.test("without scripts nothing offers to copy", () => {
  for (const button of offeringHtml(OFFERING, RUNTIMES).match(/<button[^>]*>/g)!) {
    assert.match(button, / hidden /);
  }
});

Deno.test("what one call costs without credits is said where it can be had", () => {
  const exact = { scheme: "exact", amount: "10000" };
  const html = offeringHtml(OFFERING, RUNTIMES, [{ scheme: "credits" }, exact]);
  assert.match(html, /<dd>0\.01 USDC a call, by any x402 client<\/dd>/);
  assert.doesNotMatch(offeringHtml(OFFERING, RUNTIMES), /x402/);
});

Deno.test("the way to the payer's page is on it", () => {
  assert.match(offeringHtml(OFFERING, RUNTIMES), /<a class="button" href="\/pay">/);
});

Deno.test("whatever stands in the configuration is text on the page", () => {
  const bad = `<script>alert("1")</script>&'`;
  const html = offeringHtml(
    { ...OFFERING, name: bad, webDomain: bad, recipients: [bad] },
    RUNTIMES,
  );
  // Our own, and no other.
  assert.equal(html.split("<script").length - 1, 1);
  assert.ok(!html.includes('alert("'));
  // In title and heading, in five of the lines, and as the key.
  assert.equal(shown(html).split(bad).length - 1, 8);
});

Deno.test("a provider without terms or keys has a page all the same", () => {
  const html = offeringHtml({ ...OFFERING, termsHashes: [], recipients: [] }, RUNTIMES);
  assert.match(html, /<dt>Public key \(age\)<\/dt><dd><\/dd>/);
});
