/** @x402/fetch, version 2 of the protocol. */
import { ExactEvmScheme } from "@x402/evm";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";
import { answerOf, drive } from "./drive.mjs";

await drive(({ key, chainId, asset, most }) => {
  const network = `eip155:${chainId}`;
  const client = x402Client.fromConfig({
    schemes: [{ network, client: new ExactEvmScheme(privateKeyToAccount(key)) }],
    // Of itself it pays in the tokens that it knows.
    spendControls: { allowedAssets: [{ network, asset, maxAmountPerPayment: most }] },
  });
  const fetchPaid = wrapFetchWithPayment(fetch, client);
  const pay = async (url, init) => answerOf(await fetchPaid(url, init));
  return { pay, decode: decodePaymentResponseHeader };
});
