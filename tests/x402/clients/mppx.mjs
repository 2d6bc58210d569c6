/** mppx, which speaks x402's `exact` beside its own protocol. */
import { evm, Mppx } from "mppx/client";
import { Header } from "mppx/x402";
import { privateKeyToAccount } from "viem/accounts";
import { answerOf, drive } from "./drive.mjs";

await drive(({ key, chainId, asset, most }) => {
  const charge = evm.charge({
    account: privateKeyToAccount(key),
    networks: [chainId],
    currencies: [asset],
    maxAtomicAmount: most,
  });
  const mppx = Mppx.create({ polyfill: false, methods: [charge] });
  const pay = async (url, init) => answerOf(await mppx.fetch(url, init));
  return { pay, decode: Header.decodePaymentResponse };
});
