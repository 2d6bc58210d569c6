/** x402-fetch, version 1 of the protocol, whose chains go by names. */
import { createSigner, decodeXPaymentResponse, wrapFetchWithPayment } from "x402-fetch";
import { answerOf, drive } from "./drive.mjs";

const NETWORKS = { 43113: "avalanche-fuji" };

await drive(async ({ key, chainId, most }) => {
  const signer = await createSigner(NETWORKS[chainId], key);
  const fetchPaid = wrapFetchWithPayment(fetch, signer, BigInt(most));
  const pay = async (url, init) => answerOf(await fetchPaid(url, init));
  return { pay, decode: decodeXPaymentResponse };
});
