/** A page of another origin pays a deployment through the stock client, in a real browser. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CHROMIUM, runInPage } from "../../worlds/browser.ts";
import { privateKeyOf } from "../../worlds/chain/people.ts";
import { balanceOf } from "../../worlds/exact_payer.ts";
import { startMarket } from "../../worlds/market.ts";
import { areStockClientsThere, CLIENTS } from "./stock.ts";

const OPEN = "#!/bin/sh\n" +
  "printf 'HTTP/1.1 200 OK\\r\\nAccess-Control-Allow-Origin: *\\r\\n\\r\\nhello '; cat\n";
const MINIMUM = 10_000n;

const ENTRY = `
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { privateKeyToAccount } from "viem/accounts";

globalThis.payFor = async (key, url, init) => {
  const client = new x402Client();
  client.register("eip155:*", new ExactEvmScheme(privateKeyToAccount(key)));
  client.setSpendControls({ allowedAssets: true });
  const answer = await wrapFetchWithPayment(fetch, client)(url, init);
  const told = answer.headers.get("PAYMENT-RESPONSE");
  return {
    status: answer.status,
    body: await answer.text(),
    paid: told === null ? null : decodePaymentResponseHeader(told),
    receipt: answer.headers.get("Khachapuri-Receipt"),
  };
};
`;

/** The stock client as a page would load it. */
async function bundledClient(): Promise<string> {
  const dir = await Deno.makeTempDir({ dir: CLIENTS });
  try {
    const [entry, out] = [join(dir, "entry.ts"), join(dir, "out.js")];
    await Deno.writeTextFile(entry, ENTRY);
    const flags = ["--quiet", "--no-lock", "--node-modules-dir=manual", "--platform", "browser"];
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", ...flags, "-o", out, entry],
      cwd: dir,
      stdin: "null",
      stderr: "inherit",
    }).output();
    assert.equal(code, 0, "the client was not bundled");
    return await Deno.readTextFile(out);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const isReady = CHROMIUM !== null && await areStockClientsThere();

Deno.test(
  { name: "a page of another origin pays with the stock client", ignore: !isReady },
  async () => {
    await using market = await startMarket();
    const { payer, provider } = market.accounts;
    const cid = await market.deploy({ files: { main: OPEN }, fields: { access: "payer" } });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const asked = JSON.stringify([
      privateKeyOf(payer),
      `${market.provider.url}/${cid}/path?query=1`,
      init,
    ]);
    const before = await balanceOf(market, provider.address);
    const client = await bundledClient();
    const seen = await runInPage(
      CHROMIUM!,
      `${client.replaceAll("</script", "<\\/script")}
      return await payFor(...${asked});`,
    ) as Record<string, unknown> & { paid: { success: boolean } | null };
    const { status, body, paid, receipt } = seen;
    assert.deepEqual([status, body], [200, "hello {}"], JSON.stringify(seen));
    assert.equal(paid?.success, true, "the page did not see PAYMENT-RESPONSE");
    assert.match(String(receipt), /^\/receipts\//, "the page did not see its receipt");
    assert.equal(await balanceOf(market, provider.address) - before, MINIMUM);
  },
);
