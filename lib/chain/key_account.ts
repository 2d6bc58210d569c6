/**
 * viem's account of a private key, for who loads it later. Of a module that is loaded by name a
 * bundle keeps everything: of viem/accounts also the words of ten languages, 275 KB at each start.
 */
export { privateKeyToAccount } from "viem/accounts";
