/** @x402/axios, version 2 of the protocol. */
import { ExactEvmScheme } from "@x402/evm";
import { decodePaymentResponseHeader, wrapAxiosWithPayment, x402Client } from "@x402/axios";
import axios from "axios";
import { privateKeyToAccount } from "viem/accounts";
import { drive } from "./drive.mjs";

await drive(({ key, chainId }) => {
  const scheme = new ExactEvmScheme(privateKeyToAccount(key));
  const client = x402Client.fromConfig({
    schemes: [{ network: `eip155:${chainId}`, client: scheme }],
  });
  const api = wrapAxiosWithPayment(axios.create({ responseType: "stream" }), client);
  const pay = async (url, { method, headers, body: data }) => {
    const request = { url, method, headers, data };
    // What is no 2xx it rejects with, as axios does.
    const response = await api.request(request).catch((error) => error.response ?? throwOn(error));
    return {
      status: response.status,
      header: (name) => response.headers[name],
      body: response.data,
    };
  };
  return { pay, decode: decodePaymentResponseHeader };
});

function throwOn(error) {
  throw error;
}
