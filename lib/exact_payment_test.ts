/** Shapes as stock clients make them (x402 2.27.0 and 1.2.0), and what is none. */
import assert from "node:assert/strict";
import { encodeAbiParameters, type Hex, keccak256, pad } from "viem";
import type { KhachapuriError } from "./errors.ts";
import {
  decodeExactHeader,
  exactFailure,
  exactLane,
  exactOfferToJson,
  exactResponse,
} from "./exact_payment.ts";
import { IDEMPOTENCY_KEY_CHARACTERS_MAX } from "./limits.ts";
import { EXACT_SIGNATURE_BYTES_MAX } from "./limits_of_exact.ts";
import { toHeader } from "./payment_required.ts";

const ANNA = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const PROVIDER = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C";
const USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
const NONCE = "0xb8293f7036e6a669f4481900a25fa6bcd29e0ead2021d85cbf92f6950b0dc868";
const SIGNATURE = `0x${
  [
    "c24394ad68ec5fff93b480f759f2d3725f03954845038fa3c4643c6b18a1f55a1e",
    "796325d2c19e8b0fbd8c1998fb8709080ea1be50133d64b511059d60f7900d1c",
  ].join("")
}` as const;

/** As @x402/fetch 2.27.0 sent it. */
const AUTHORIZATION = {
  from: ANNA,
  to: PROVIDER,
  value: "1000",
  validAfter: "0",
  validBefore: "1795818426",
  nonce: NONCE,
};
const ACCEPTED = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "1000",
  asset: USDC,
  payTo: PROVIDER,
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};
const PAYLOAD = { authorization: AUTHORIZATION, signature: SIGNATURE };
const V2 = {
  x402Version: 2,
  payload: PAYLOAD,
  resource: {
    url: "http://127.0.0.1:35203/abs?x=1",
    description: "compute",
    mimeType: "text/plain",
  },
  accepted: ACCEPTED,
};
const V1 = { x402Version: 1, scheme: "exact", network: "base", payload: PAYLOAD };

const decode = (json: unknown) => decodeExactHeader(toHeader(json as never), "PAYMENT-SIGNATURE");
const decodeV1 = (json: unknown) => decodeExactHeader(toHeader(json as never), "X-PAYMENT");

const READ = {
  chainId: 8_453,
  authorization: {
    from: ANNA,
    to: PROVIDER,
    value: 1_000n,
    validAfter: 0n,
    validBefore: 1_795_818_426n,
    nonce: NONCE,
  },
  signature: SIGNATURE,
  identifier: null,
};

Deno.test("what stock clients send is read", () => {
  assert.deepEqual(decode(V2), {
    ...READ,
    x402Version: 2,
    accepted: { asset: USDC, payTo: PROVIDER, amount: 1_000n },
  });
  assert.deepEqual(decodeV1(V1), { ...READ, x402Version: 1, accepted: null });
  assert.equal(decodeV1({ ...V1, network: "eip155:1" })!.chainId, 1);
  assert.equal(decodeV1({ ...V1, network: "solana" })!.chainId, null);
  const named = { ...V2, accepted: { ...ACCEPTED, network: "base" } };
  assert.equal(decode(named)!.chainId, null, "version 2 knows no names");
});

Deno.test("one payment has one form, however its hex is written", () => {
  const shout = (hex: string) => `0x${hex.slice(2).toUpperCase()}`;
  const loud = {
    ...V2,
    payload: {
      signature: shout(SIGNATURE),
      authorization: { ...AUTHORIZATION, nonce: shout(NONCE), from: ANNA.toLowerCase() },
    },
  };
  assert.deepEqual(decode(loud), decode(V2));
});

Deno.test("a signature that ends with a parity is the same with 27 or 28", () => {
  const signed = (signature: string) => decode({ ...V2, payload: { ...PAYLOAD, signature } });
  const rs = SIGNATURE.slice(0, -2);
  assert.equal(signed(`${rs}01`)!.signature, SIGNATURE);
  assert.equal(signed(`${rs}00`)!.signature, `${rs}1b`);
  assert.equal(signed(`${rs}02`)!.signature, `${rs}02`);
  assert.equal(signed(`${rs}0000`)!.signature, `${rs}0000`, "a wallet's own is left alone");
  assert.equal(signed("0x01")!.signature, "0x01");
});

Deno.test("what pays in another scheme is somebody else's to read", () => {
  assert.equal(decode({ ...V2, accepted: { scheme: "credits" } }), null);
  assert.equal(decode({ x402Version: 2, payload: {} }), null);
  assert.equal(decodeV1({ ...V1, scheme: "upto" }), null);
  // Each version says it in its place.
  assert.equal(decode({ ...V2, x402Version: 1 }), null);
  assert.equal(decodeV1({ ...V1, x402Version: 2 }), null);
});

function refusal(read: () => unknown): KhachapuriError {
  try {
    read();
  } catch (error) {
    return error as KhachapuriError;
  }
  throw new Error("it was read");
}

Deno.test("what is no x402 header at all is no payment", () => {
  const texts = [
    "",
    "!",
    "e30=e30=",
    btoa("{"),
    btoa("\xff"),
    toHeader([] as never),
    toHeader({}),
    toHeader({ ...V2, x402Version: 3 }),
    toHeader({ ...V2, x402Version: "2" }),
    toHeader({ ...V2, accepted: "exact" }),
    toHeader({ ...V2, extensions: 1 }),
    "A".repeat(8 * 1024 + 4),
  ];
  for (const text of texts) {
    const error = refusal(() => decodeExactHeader(text, "PAYMENT-SIGNATURE"));
    assert.equal(error.code, "invalid_input", text.slice(0, 40));
    assert.match(error.message, /^PAYMENT-SIGNATURE: /);
  }
});

Deno.test("what is not well made is refused by x402's word, and nothing of it is told", () => {
  const authorization = (change: object) => ({
    ...V2,
    payload: { ...PAYLOAD, authorization: { ...AUTHORIZATION, ...change } },
  });
  const accepted = (change: object) => ({ ...V2, accepted: { ...ACCEPTED, ...change } });
  const long = `0x${"51".repeat(EXACT_SIGNATURE_BYTES_MAX)}`;
  const cases: unknown[] = [
    { ...V2, payload: null },
    { ...V2, payload: PAYLOAD.authorization },
    ...[
      { value: 1_000 },
      { value: "-1" },
      { value: "1e3" },
      { value: "01" },
      { value: "0x10" },
      ...["value", "validAfter", "validBefore"].map((name) => ({ [name]: String(1n << 256n) })),
      { validAfter: "" },
      { validBefore: "1.5" },
      { nonce: `${NONCE}00` },
      { nonce: NONCE.slice(0, -1) },
      { nonce: NONCE.slice(2) },
      { from: `${ANNA}00` },
      { to: undefined },
    ].map(authorization),
    ...["", "0x", "0x5", "51", "0xzz", `${long}51`].map((signature) => ({
      ...V2,
      payload: { ...PAYLOAD, signature },
    })),
    ...[{ asset: "USDC" }, { payTo: null }, { amount: 1_000 }, { amount: "1_000" }, {
      amount: String(1n << 256n),
    }].map(accepted),
  ];
  for (const json of cases) {
    const error = refusal(() => decode(json));
    assert.equal(error.code, "payment_required", JSON.stringify(json));
    assert.deepEqual(error.data, { x402Reason: "invalid_payload" });
    assert.ok(!error.message.includes(SIGNATURE.slice(2, 40)));
  }
  const most = String((1n << 256n) - 1n);
  const all = decode({
    ...authorization({ value: most, validAfter: most, validBefore: most }),
    accepted: { ...ACCEPTED, amount: most },
  })!;
  const { value, validAfter, validBefore } = all.authorization;
  for (const read of [value, validAfter, validBefore, all.accepted!.amount]) {
    assert.equal(String(read), most);
  }
  const longest = { ...V2, payload: { ...PAYLOAD, signature: long } };
  assert.equal(decode(longest)!.signature, long);
});

Deno.test("a client's own name for a purchase is taken where it can be read", () => {
  const named = (id: unknown) =>
    decode({ ...V2, extensions: { "payment-identifier": { info: { id } }, other: {} } })!
      .identifier;
  assert.equal(named("pay_1"), "pay_1");
  const longest = "x".repeat(IDEMPOTENCY_KEY_CHARACTERS_MAX);
  assert.equal(named(longest), longest);
  for (const id of ["", "a b", "ä", 1, null, undefined, `${longest}x`]) {
    assert.equal(named(id), null);
  }
  assert.equal(decode({ ...V2, extensions: { "payment-identifier": 5 } })!.identifier, null);
});

Deno.test("an offer, a settlement and a failure are written as x402 has them", () => {
  const { amount, asset, payTo, maxTimeoutSeconds, extra, network, scheme } = ACCEPTED;
  const terms = {
    chainId: 8_453,
    amount: 1_000n,
    asset: USDC as Hex,
    payTo: PROVIDER as Hex,
    maxTimeoutSeconds,
    ...extra,
  };
  assert.deepEqual(exactOfferToJson(terms), {
    scheme,
    network,
    amount,
    asset,
    payTo,
    maxTimeoutSeconds,
    extra,
  });
  const payer = ANNA as Hex;
  const [chainId, transaction] = [8_453, pad("0x7a")];
  assert.deepEqual(exactResponse({ chainId, payer, amount: 1_000n, transaction }, 2), {
    success: true,
    transaction,
    network,
    payer,
    amount,
  });
  const inV1 = (id: number) =>
    exactResponse({ chainId: id, payer, amount: 1_000n, transaction }, 1).network;
  assert.deepEqual([inV1(chainId), inV1(31_337)], ["base", "eip155:31337"]);
  const failure = { success: false, errorReason: "why", errorMessage: "so", network, payer };
  const failed = (hash: Hex | null) => exactFailure({ chainId, payer }, "why", "so", hash);
  assert.deepEqual(failed(null), { ...failure, transaction: "" });
  assert.deepEqual(failed(transaction), { ...failure, transaction });
});

Deno.test("a receipt's lane is the payment's own", () => {
  const types = [{ type: "string" }, { type: "address" }, { type: "bytes32" }] as const;
  const expected = keccak256(encodeAbiParameters(types, ["x402", ANNA, NONCE]));
  assert.equal(exactLane({ from: ANNA, nonce: NONCE }), expected);
});
