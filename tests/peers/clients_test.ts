/** Stock clients of x402 beside @x402/fetch, whose test is tests/x402/exact_fetch_test.ts. */
import { shopWith } from "../x402/clients/shop.ts";
import { folderOf, MPPX, MPPX_STRICT, X402_AXIOS, X402_V1 } from "./packages.ts";
import { withPeer } from "./with_peer.ts";

const CLIENTS = [
  { name: "@x402/axios", peer: X402_AXIOS, program: "x402_axios.mjs" },
  { name: "mppx", peer: MPPX, program: "mppx.mjs" },
  { name: "mppx 0.10.1", peer: MPPX_STRICT, program: "mppx.mjs" },
  {
    name: "x402-fetch of version 1",
    peer: X402_V1,
    program: "x402_v1.mjs",
    network: "avalanche-fuji",
  },
];

for (const { name, peer, program, network } of CLIENTS) {
  Deno.test(
    `${name} pays, unchanged`,
    withPeer(peer, (t) => shopWith(t, { folder: folderOf(peer), program }, network)),
  );
}
