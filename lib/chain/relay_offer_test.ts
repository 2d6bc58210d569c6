import assert from "node:assert/strict";
import {
  offerFromJson,
  offerToJson,
  relayedFromJson,
  relayedToJson,
  type RelayOffer,
} from "./relay_offer.ts";

const OFFER: RelayOffer = {
  chainId: 8453,
  escrow: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
  relayer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  fee: 10_000n,
  relays: ["Revoke", "Withdraw"],
};

Deno.test("an offer and an answer are read as they were written", () => {
  assert.deepEqual(offerFromJson(JSON.parse(JSON.stringify(offerToJson(OFFER)))), OFFER);
  const relayed = { transaction: `0x${"7a".repeat(32)}`, fee: 5n } as const;
  assert.deepEqual(relayedFromJson(relayedToJson(OFFER.relayer, relayed)), relayed);
});

Deno.test("kinds of messages that we do not know are passed over", () => {
  const json = { ...offerToJson(OFFER), relays: ["Dance", "Withdraw"], more: true };
  assert.deepEqual(offerFromJson(json).relays, ["Withdraw"]);
});

Deno.test("what is no offer, or no answer, is the relayer's fault", () => {
  const isNone = { code: "provider_unavailable" };
  for (const json of [null, {}, { ...offerToJson(OFFER), fee: 1 }]) {
    assert.throws(() => offerFromJson(json), isNone);
  }
  for (const json of [null, {}, { transaction: "0x1", fee: "1" }, { transaction: "soon" }]) {
    assert.throws(() => relayedFromJson(json), isNone);
  }
});
