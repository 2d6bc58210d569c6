/** The stock client of x402's version 2, @x402/fetch, pays for single calls. */
import { shopWith } from "./clients/shop.ts";
import { areStockClientsThere, CLIENTS } from "./stock.ts";

Deno.test({
  name: "@x402/fetch pays, unchanged",
  ignore: !await areStockClientsThere(),
  fn: (t) => shopWith(t, { folder: CLIENTS, program: "x402_fetch.mjs" }),
});
