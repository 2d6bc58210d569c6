import assert from "node:assert/strict";
import { messageToJson, type SignedMessage } from "../chain/payer_message.ts";
import { offerToJson, relayedToJson, type RelayOffer } from "../chain/relay_offer.ts";
import { askRelayOffer, askToRelay } from "./relay.ts";

const OFFER: RelayOffer = {
  chainId: 8453,
  escrow: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
  relayer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  fee: 10_000n,
  relays: ["Reclaim"],
};
const MESSAGE: SignedMessage = {
  type: "Reclaim",
  chainId: 8453,
  escrow: OFFER.escrow,
  payer: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
  provider: OFFER.relayer,
  feeMax: 10_000n,
  nonce: 0n,
  deadline: 2_000_000_000n,
  signature: `0x${"11".repeat(65)}`,
};

/** Serves `handle` on loopback and tells its URL. */
function serve(handle: (request: Request) => Response | Promise<Response>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handle);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a relayer is asked for its terms, and to send a message", async () => {
  const asked: unknown[] = [];
  const relayed = { transaction: `0x${"7a".repeat(32)}`, fee: 10_000n } as const;
  await using relayer = serve(async (request) => {
    assert.equal(new URL(request.url).pathname, "/relay");
    if (request.method === "GET") return Response.json(offerToJson(OFFER));
    asked.push(await request.json());
    return Response.json(relayedToJson(MESSAGE.payer, relayed));
  });
  assert.deepEqual(await askRelayOffer(relayer.url), OFFER);
  assert.deepEqual(await askToRelay(relayer.url, MESSAGE), relayed);
  assert.deepEqual(asked, [messageToJson(MESSAGE)]);
});

Deno.test("its refusal comes through with its code, and nonsense is its fault", async () => {
  const answers = [
    Response.json({ error: "payment_required", message: "too low" }, { status: 402 }),
    new Response("hello"),
    Response.json({ transaction: "0x00" }),
  ];
  await using relayer = serve(() => answers.shift()!);
  const ask = () => askToRelay(relayer.url, MESSAGE);
  await assert.rejects(ask(), { code: "payment_required", message: /too low/ });
  for (const _ of [1, 2]) await assert.rejects(ask(), { code: "provider_unavailable" });
});
