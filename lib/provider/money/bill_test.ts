/** Who pays, as a request's headers say it. */
import assert from "node:assert/strict";
import { type Address, getAddress, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import { type CreditsOffer, encodePaymentHeader } from "../../payment_header.ts";
import { type Permit, signPermit, UINT128_MAX, UINT64_MAX } from "../../permit.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { BillReader, type IsDeploymentLane, type OwnerPermit } from "./bill.ts";

const OWNER = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PAYER = privateKeyToAccount(`0x${"22".repeat(32)}`);
const PROVIDER = getAddress(`0x${"aa".repeat(20)}`);
const ESCROW = getAddress(`0x${"ee".repeat(20)}`);
const SELLER = { chainId: 31_337, escrow: ESCROW, provider: PROVIDER, price: 1_000n };
const LANE: Hex = `0x${"01".repeat(32)}`;
const CID = "bafytest" as CidText;

const OFFER: CreditsOffer = {
  chainId: SELLER.chainId,
  escrow: ESCROW,
  asset: ESCROW,
  payTo: PROVIDER,
  pricePerCredit: SELLER.price,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 3_600,
};

const DEPOSIT: DepositAuthorization = {
  amount: 5n,
  validAfter: 0n,
  validBefore: 1n,
  pricePerCredit: 1n,
  credits: 5n,
  signer: PAYER.address,
  salt: `0x${"03".repeat(32)}`,
  signature: `0x${"04".repeat(65)}`,
};

async function deploymentWith(access: "public" | "payer"): Promise<Deployment> {
  const spec = await sampleSpec({
    owner: OWNER,
    provider: PROVIDER,
    escrow: ESCROW,
    chainId: SELLER.chainId,
    fields: { access },
  });
  return { cid: CID, spec, entry: spec.providers[0]! };
}

const PUBLIC = await deploymentWith("public");
const PAID_BY_CALLERS = await deploymentWith("payer");

function readerFor(
  isDeploymentLane: IsDeploymentLane = () => false,
  ownerPermit: OwnerPermit = ({ entry }) => entry.permit,
  priceOf: (cid: CidText) => bigint = () => SELLER.price,
): BillReader {
  return new BillReader(SELLER, isDeploymentLane, ownerPermit, { priceOf });
}

function permit(changes: Partial<Permit> = {}): Promise<Permit> {
  return signPermit(PAYER, SELLER, {
    payer: PAYER.address,
    provider: PROVIDER,
    lane: LANE,
    price: SELLER.price,
    credits: 100n,
    deadline: UINT64_MAX,
    epoch: 0,
    ...changes,
  });
}

/** The headers of a caller that pays by `permit`. */
function paid(permit: Permit, more: Record<string, string> = {}): Headers {
  const text = encodePaymentHeader({ accepted: OFFER, permit });
  return new Headers({ "PAYMENT-SIGNATURE": text, ...more });
}

const required = (message: RegExp) => ({ code: "payment_required", message });

Deno.test("who shows nothing is the owner's guest, on the lane of the deployment", () => {
  const { entry } = PUBLIC;
  assert.deepEqual(readerFor().read(PUBLIC, new Headers({ accept: "*/*" })), {
    source: "owner",
    payer: OWNER.address,
    lane: entry.permit.lane,
    scope: entry.permit.lane,
    permit: entry.permit,
    price: SELLER.price,
    cid: CID,
    deposit: null,
    ownerCreditsPerMinute: 600,
  });
});

Deno.test("what is the owner's to pay is on its bill, whoever pays for calls", () => {
  for (const deployment of [PUBLIC, PAID_BY_CALLERS]) {
    const { source, payer, permit } = readerFor().ofOwner(deployment);
    assert.deepEqual([source, payer], ["owner", OWNER.address]);
    assert.equal(permit, deployment.entry.permit);
  }
});

Deno.test("an owner pays by the permit that it renewed, and a caller by its own", async () => {
  const renewed = { ...PUBLIC.entry.permit, epoch: 1 };
  const reader = readerFor(undefined, (asked) => asked === PUBLIC ? renewed : asked.entry.permit);
  assert.equal(reader.read(PUBLIC, new Headers()).permit, renewed);
  assert.deepEqual(reader.read(PUBLIC, paid(await permit())).permit, await permit());
});

Deno.test("an earlier price is kept for the deployment's owner, and for no caller of it", async () => {
  const reader = readerFor(undefined, undefined, (cid) => cid === CID ? 7n : SELLER.price);
  assert.equal(reader.read(PUBLIC, new Headers()).price, 7n);
  assert.equal(reader.ofOwner(PAID_BY_CALLERS).price, 7n);
  assert.equal(reader.read(PUBLIC, paid(await permit())).price, SELLER.price);
  const cheap = await permit({ price: 7n });
  assert.equal(reader.read(PUBLIC, paid(cheap)).price, SELLER.price);
  const copy = { ...PUBLIC, cid: "bafycopy" as CidText };
  assert.equal(reader.read(copy, new Headers()).price, SELLER.price);
});

Deno.test("a permit is the bearer's bill, at the provider's price whatever the permit allows", async () => {
  const own = await permit({ price: 2n * SELLER.price });
  for (const deployment of [PUBLIC, PAID_BY_CALLERS]) {
    assert.deepEqual(readerFor().read(deployment, paid(own)), {
      source: "caller",
      payer: PAYER.address,
      lane: LANE,
      scope: LANE,
      permit: own,
      price: SELLER.price,
      cid: CID,
      deposit: null,
    });
  }
});

Deno.test("a first call's deposit comes along", async () => {
  const payment = { accepted: OFFER, permit: await permit(), deposit: DEPOSIT };
  const headers = new Headers({ "PAYMENT-SIGNATURE": encodePaymentHeader(payment) });
  assert.deepEqual(readerFor().read(PUBLIC, headers).deposit, DEPOSIT);
});

Deno.test("an address alone proves nothing, even where the owner would pay", () => {
  const headers = new Headers({ payer: PAYER.address });
  for (const deployment of [PUBLIC, PAID_BY_CALLERS]) {
    const why = required(/a payer's address alone proves nothing/);
    assert.throws(() => readerFor().read(deployment, headers), why);
  }
});

Deno.test("an address beside a permit must be its payer's, however it is spelled", async () => {
  const own = await permit();
  const small = PAYER.address.toLowerCase() as Address;
  for (const payer of [PAYER.address, small]) {
    assert.equal(readerFor().read(PUBLIC, paid(own, { payer })).payer, PAYER.address);
  }
  const two = paid(own, { payer: OWNER.address });
  assert.throws(() => readerFor().read(PUBLIC, two), required(/name two payers/));
});

Deno.test("where callers pay themselves, who shows nothing learns for whom to sign", () => {
  const read = () => readerFor().read(PAID_BY_CALLERS, new Headers());
  assert.throws(read, (error: KhachapuriError) => {
    assert.equal(error.code, "payment_required");
    assert.match(error.message, /callers of this deployment pay themselves/);
    assert.match(error.hints.join(), new RegExp(PROVIDER));
    return true;
  });
});

Deno.test("a permit that a deployment counts on does not pay for its reader's calls", async () => {
  const lanes = new Set<Hex>();
  const reader = readerFor((payer, lane) => payer === PAYER.address && lanes.has(lane));
  const headers = paid(await permit());
  assert.equal(reader.read(PUBLIC, headers).source, "caller");
  // The deployment may be published after the header was first read.
  lanes.add(LANE);
  const why = required(/a deployment's permit, not a caller's/);
  assert.throws(() => reader.read(PUBLIC, headers), why);
  const own = paid(await permit({ lane: `0x${"02".repeat(32)}` }));
  assert.equal(reader.read(PUBLIC, own).source, "caller");
});

Deno.test("a permit for any number of credits is an owner's, whatever its lane", async () => {
  const why = required(/a deployment's permit, not a caller's/);
  const unlimited = paid(await permit({ credits: UINT128_MAX }));
  assert.throws(() => readerFor().read(PUBLIC, unlimited), why);
  const many = paid(await permit({ credits: UINT128_MAX - 1n }));
  assert.equal(readerFor().read(PUBLIC, many).source, "caller");
});

Deno.test("a header for somebody else is no payment, and a broken one is no header", async () => {
  const elsewhere = paid(await permit({ provider: PAYER.address }));
  assert.throws(() => readerFor().read(PUBLIC, elsewhere), required(/not this provider/));
  const broken = new Headers({ "PAYMENT-SIGNATURE": "e30=" });
  // And it is broken each time.
  const reader = readerFor();
  for (const _ of [1, 2]) {
    assert.throws(() => reader.read(PUBLIC, broken), { code: "invalid_input" });
  }
});

Deno.test("a header that comes again is not decoded again, and gives the very same permit", async () => {
  const reader = readerFor();
  const own = await permit();
  const first = reader.read(PUBLIC, paid(own)).permit;
  assert.equal(reader.read(PUBLIC, paid(own)).permit, first);
  const other = await permit({ credits: 101n });
  assert.deepEqual(reader.read(PUBLIC, paid(other)).permit, other);
});
