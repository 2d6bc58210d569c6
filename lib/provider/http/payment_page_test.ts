import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { KhachapuriError } from "../../errors.ts";
import { type About, parseAbout } from "../../spec/about.ts";
import { exampleCall } from "./example_call.ts";
import { PAYMENT_PAGE_POLICY, paymentPageHtml } from "./payment_page.ts";

const URL_ASKED = "https://paolo.example/bafk/a?b='<&\"";

function page(
  entries: { scheme: string; amount?: string }[],
  description = "Bakes.",
  about: About | null = null,
) {
  return paymentPageHtml({
    error: new KhachapuriError("payment_required", "nobody pays", {
      hints: ["allow <some>", "ask khachapuri"],
    }),
    entries,
    resource: { url: URL_ASKED, description },
    provider: "paolo.eth",
    called: URL_ASKED,
    example: exampleCall(about),
    payUrl: "/pay?call=%2Fbafk%2Fa",
  });
}

Deno.test("the page says what a call costs in each way that it can be paid", () => {
  const html = page([{ scheme: "credits", amount: "1500" }, { scheme: "exact", amount: "10000" }]);
  assert.match(html, /<dt>By credits<\/dt><dd>0\.0015 USDC a credit/);
  assert.match(html, /<dt>Once<\/dt><dd>0\.01 USDC, /);
  assert.match(html, /<a href="\/pay\?call=%2Fbafk%2Fa">/);
  assert.doesNotMatch(page([{ scheme: "unpriced" }]), /<dt>/);
});

Deno.test("what others say is text, in the commands too", () => {
  const html = page([], "<script>alert(1)</script>");
  assert.ok(!html.includes("<script") && !html.includes("<some>"));
  const shell = html.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  assert.ok(shell.includes(`khachapuri call --pay 'https://paolo.example/bafk/a?b='\\''<&"'`));
});

Deno.test("the commands send what the deployment's owner shows, and no hint says them again", () => {
  const about = parseAbout({
    description: "Bakes.",
    input: { type: "text", example: "it's" },
  }, "about");
  const html = page([], "Bakes.", about).replace(
    /&#(\d+);/g,
    (_, code) => String.fromCharCode(Number(code)),
  );
  const flags = ` -H 'content-type: text/plain' --data-raw 'it'\\''s'</pre>`;
  assert.equal(html.split(flags).length - 1, 2);
  assert.ok(!html.includes("ask khachapuri"));
});

Deno.test("its policy lets in the page's own style and nothing else", () => {
  const [, style] = /<style>([^]*?)<\/style>/.exec(page([]))!;
  const hash = createHash("sha256").update(style!).digest("base64");
  assert.ok(PAYMENT_PAGE_POLICY.endsWith(`style-src 'sha256-${hash}'`));
  assert.match(PAYMENT_PAGE_POLICY, /^default-src 'none'; .*frame-ancestors 'none'/);
  assert.doesNotMatch(PAYMENT_PAGE_POLICY, /unsafe|script|\*/);
});
