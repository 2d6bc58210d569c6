import assert from "node:assert/strict";
import fc from "fast-check";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { KhachapuriError } from "./errors.ts";
import { proofOf } from "./lane_count.ts";
import {
  type CreditsOffer,
  type CreditsPayment,
  decodePaymentHeader,
  decodePaymentRequired,
  decodePaymentResponse,
  encodePaymentHeader,
  offerToJson,
  paymentRequired,
  paymentResponse,
  toHeader,
} from "./payment_header.ts";
import { recoverPermitSigner, signPermit } from "./permit.ts";

const payer = privateKeyToAccount(`0x${"11".repeat(32)}`);
const ESCROW: Address = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const USDC: Address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
const PROVIDER: Address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const LANE: Hex = `0x${"ab".repeat(32)}`;

const offer: CreditsOffer = {
  chainId: 8453,
  escrow: ESCROW,
  asset: USDC,
  payTo: PROVIDER,
  pricePerCredit: 1000n,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 86_400,
};
const expected = { chainId: 8453, escrow: ESCROW, provider: PROVIDER };

async function payment(): Promise<CreditsPayment> {
  const parties = { payer: payer.address, provider: PROVIDER, lane: LANE };
  const limits = { price: 1000n, credits: 100n, deadline: 2_000_000_000n, epoch: 0 };
  return { accepted: offer, permit: await signPermit(payer, offer, { ...parties, ...limits }) };
}

function refusal(code: string, message: RegExp) {
  return (error: unknown) =>
    error instanceof KhachapuriError && error.code === code && message.test(error.message);
}

async function encoded(change: (json: Record<string, never>) => void): Promise<string> {
  const json = JSON.parse(atob(encodePaymentHeader(await payment())));
  change(json);
  return toHeader(json);
}

// The member names and types of specs/x402-specification-v2.md, section 5.2.
Deno.test("encodePaymentHeader() writes an x402 version 2 PaymentPayload", async () => {
  const text = encodePaymentHeader(await payment());
  assert.match(text, /^[A-Za-z0-9+/]*={0,2}$/);
  const json = JSON.parse(atob(text));
  assert.equal(json.x402Version, 2);
  const { extra, ...accepted } = json.accepted;
  assert.deepEqual(accepted, {
    scheme: "credits",
    network: "eip155:8453",
    amount: "1000",
    asset: USDC,
    payTo: PROVIDER,
    maxTimeoutSeconds: 15,
  });
  assert.deepEqual(extra, {
    escrow: ESCROW,
    pricePerCredit: "1000",
    thawingPeriod: 86400,
    name: "Khachapuri Escrow",
    version: "1",
  });
  assert.equal(json.payload.type, "permit");
  assert.equal(json.payload.permit.credits, "100");
});

Deno.test("a payment header comes back with a permit that the payer signed", async () => {
  const sent = await payment();
  const received = decodePaymentHeader(encodePaymentHeader(sent), expected);
  assert.deepEqual(received, sent);
  assert.equal(await recoverPermitSigner(offer, received.permit), payer.address);
});

Deno.test("a deposit authorisation travels beside the permit", async () => {
  const deposit = {
    amount: 5_000_000n,
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    pricePerCredit: 1000n,
    credits: 5000n,
    signer: payer.address,
    salt: LANE,
    signature: `0x${"cd".repeat(65)}` as Hex,
  };
  const sent = { ...(await payment()), deposit };
  assert.deepEqual(decodePaymentHeader(encodePaymentHeader(sent)), sent);
});

Deno.test("a permit for another chain, escrow or provider is refused", async () => {
  const text = encodePaymentHeader(await payment());
  const cases: [object, RegExp][] = [
    [{ chainId: 1 }, /for chain 8453, not 1/],
    [{ escrow: USDC }, /for escrow 0x5Fb.*, not 0x8335/],
    [{ provider: USDC }, /pays 0x7099.*, not this provider 0x8335/],
  ];
  for (const [change, message] of cases) {
    const decode = () => decodePaymentHeader(text, { ...expected, ...change });
    assert.throws(decode, refusal("payment_required", message));
  }
});

Deno.test("an offer and a permit that pay two providers are refused", async () => {
  const text = await encoded((json) => Object.assign(json["accepted"]!, { payTo: USDC }));
  assert.throws(() => decodePaymentHeader(text, expected), refusal("payment_required", /pays/));
});

Deno.test("decodePaymentHeader() asks for our scheme when given another", async () => {
  const text = await encoded((json) => Object.assign(json["accepted"]!, { scheme: "exact" }));
  assert.throws(() => decodePaymentHeader(text), refusal("payment_required", /"credits" only/));
});

Deno.test("decodePaymentHeader() names the malformed part and never repeats the text", async () => {
  const good = encodePaymentHeader(await payment());
  const cases: [string, RegExp][] = [
    ["", /base64/],
    [good.replaceAll("=", "").replace(/.$/, "-"), /standard base64/],
    ["A".repeat(9000), /longer than 8192/],
    ["////", /UTF-8/],
    [btoa("{"), /not valid JSON/],
    [btoa("null"), /PAYMENT-SIGNATURE/],
    [await encoded((json) => Object.assign(json, { x402Version: 1 })), /x402Version/],
    [await encoded((json) => Object.assign(json["accepted"]!, { network: "solana:1" })), /network/],
    [await encoded((json) => Object.assign(json["payload"]!, { type: "x" })), /payload: type/],
    [
      await encoded((json) => Object.assign(json["payload"]!["permit"]!, { price: "1.5" })),
      /price/,
    ],
    [await encoded((json) => Object.assign(json["payload"]!["permit"]!, { x: 1 })), /permit/],
    [
      await encoded((json) => Object.assign(json["payload"]!["permit"]!, { signature: "0x" })),
      /signature/,
    ],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => decodePaymentHeader(text), (error: unknown) => {
      assert.ok(refusal("invalid_input", message)(error), `${text}: ${error}`);
      return text.length < 8 || !(error as Error).message.includes(text);
    });
  }
});

Deno.test("decodePaymentHeader() never fails but by a KhachapuriError", () => {
  const attempt = (text: string) => {
    try {
      decodePaymentHeader(text, expected);
    } catch (error) {
      assert.ok(error instanceof KhachapuriError);
    }
  };
  fc.assert(fc.property(fc.string(), attempt));
  fc.assert(fc.property(fc.jsonValue(), (json) => attempt(toHeader([json]))));
  const outer = { x402Version: 2, accepted: { scheme: "credits", network: "eip155:1" } };
  fc.assert(fc.property(fc.jsonValue(), (json) => attempt(toHeader({ ...outer, payload: json }))));
});

Deno.test("a 402 offers our scheme, and its reader passes over foreign ones", () => {
  const lane = { id: LANE, cumulative: 42n };
  const resource = { url: "https://p.example/x" };
  const body = paymentRequired([offerToJson({ ...offer, lane })], resource, "no");
  assert.equal(body.accepts[0]?.extra.cumulative, "42");
  const accepts = [{ scheme: "exact", network: "eip155:1" }, ...body.accepts];
  const read = decodePaymentRequired(toHeader({ ...body, accepts }));
  assert.deepEqual(read, { error: "no", offers: [{ ...offer, lane }] });
});

Deno.test("an offer says how many credits a run may take, if that is known", () => {
  const read = (creditsMax: unknown) => {
    const accept = offerToJson(offer);
    const changed = { ...accept, extra: { ...accept.extra, creditsMax } };
    return decodePaymentRequired(toHeader(paymentRequired([changed], { url: "/" }))).offers[0]!;
  };
  assert.deepEqual(read(4), { ...offer, creditsMax: 4 });
  assert.deepEqual(offerToJson({ ...offer, creditsMax: 4 }).extra.creditsMax, 4);
  assert.deepEqual(read(undefined), offer);
  for (const bad of [0, -1, 1.5, "4"]) {
    assert.throws(() => read(bad), refusal("invalid_input", /creditsMax/));
  }
});

Deno.test("PAYMENT-RESPONSE says what was charged, with and without a transaction", () => {
  const counts = { chargedCredits: 1n, cumulativeCredits: 7n, availableCredits: 93n };
  const notice = { chainId: 8453, payer: payer.address, ...counts };
  assert.equal(paymentResponse(notice).transaction, "");
  assert.deepEqual(decodePaymentResponse(toHeader(paymentResponse(notice))), notice);
  const mined = { ...notice, transaction: LANE };
  assert.deepEqual(decodePaymentResponse(toHeader(paymentResponse(mined))), mined);
});

Deno.test("a 402 carries a lane's count and its proof, or neither; a malformed proof is named", async () => {
  const { permit } = await payment();
  const proof = proofOf(permit);
  const read = (extra: object) => {
    const accept = offerToJson({ ...offer, lane: { id: LANE, cumulative: 100n, proof } });
    const changed = { ...accept, extra: { ...accept.extra, ...extra } };
    return decodePaymentRequired(toHeader(paymentRequired([changed], { url: "/" }))).offers[0]!;
  };
  assert.deepEqual(read({}).lane, { id: LANE, cumulative: 100n, proof });
  assert.deepEqual(read({ proof: undefined }).lane, { id: LANE, cumulative: 100n });
  for (const missing of ["lane", "cumulative"]) {
    assert.equal(read({ [missing]: undefined }).lane, undefined);
  }
  const malformed = [{ signature: "0x12" }, { credits: "-1" }, { epoch: "4294967296" }];
  for (const changes of malformed) {
    const { lane, cumulative, proof: json } = offerToJson({
      ...offer,
      lane: { id: LANE, cumulative: 100n, proof },
    }).extra;
    assert.deepEqual([lane, cumulative], [LANE, "100"]);
    assert.throws(() => read({ proof: { ...json, ...changes } }), {
      code: "invalid_input",
      message: new RegExp(`proof\\.${Object.keys(changes)[0]}`),
    });
  }
});
