import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";
import { UINT64_MAX } from "../../permit.ts";
import type { Refusal } from "../ledger/judge.ts";
import type { CreditsBill } from "./bill.ts";
import { refusalError, type Wording, wrongSigner } from "./refusal.ts";

const PAYER = getAddress(`0x${"11".repeat(20)}`);
const SIGNER = getAddress(`0x${"22".repeat(20)}`);
const LANE: Hex = `0x${"01".repeat(32)}`;
const WORDING = {
  escrow: getAddress(`0x${"ee".repeat(20)}`),
  settleWindow: 120n,
  ownerPrices: { before: () => null, since: () => null },
  allowance: { credits: 100n, thawingCredits: 0n, thawEnd: 0n, pricePerCredit: 1_500n },
  now: 1_600_000_000n,
  depositMinimum: null,
};
const CHEAP = { ...WORDING.allowance, pricePerCredit: 1_000n };

function billOf(source: CreditsBill["source"]): CreditsBill {
  const permit = {
    payer: PAYER,
    provider: SIGNER,
    lane: LANE,
    price: 1_000n,
    credits: 100n,
    deadline: UINT64_MAX,
    epoch: 3,
    signature: LANE,
  };
  return {
    source,
    payer: PAYER,
    lane: LANE,
    scope: LANE,
    permit,
    price: 1_500n,
    cid: "bafytest" as CidText,
    deposit: null,
  };
}

function refused(
  source: CreditsBill["source"],
  refusal: Refusal,
  allowance: Wording["allowance"] = refusal.reason === "allowance_price"
    ? CHEAP
    : WORDING.allowance,
): KhachapuriError {
  const wording = { ...WORDING, allowance };
  return refusalError(billOf(source), { payable: false, refusal, used: 7n }, wording);
}

const SENTENCES: [refusal: Refusal, message: string, hint: string][] = [
  [
    { reason: "permit_expiring" },
    "the permit's deadline has passed or is too near",
    "sign one that lives at least 120 s longer",
  ],
  [
    { reason: "permit_epoch", epoch: 4 },
    "the payer has taken the permits of this epoch back",
    "sign one of epoch 4",
  ],
  [
    { reason: "permit_epoch", epoch: 2 },
    "the payer has not begun this permit's epoch, as far as the chain is certain",
    "sign one of epoch 2",
  ],
  [
    { reason: "permit_price", allowed: 1_000n },
    "the permit allows 0.001 USDC a credit",
    "one credit costs 0.0015 USDC here",
  ],
  [
    { reason: "allowance_price", allowed: 1_000n },
    "the allowance is at 0.001 USDC a credit",
    "one credit costs 0.0015 USDC here",
  ],
  [
    { reason: "lane_refused", because: "PermitExpired", dearest: 1_000n },
    "the escrow refused to settle this lane (PermitExpired)",
    "sign a permit on it with a later deadline, or use another",
  ],
  [
    { reason: "lane_refused", because: "PriceTooHigh", dearest: 2_000n },
    "the escrow refused to settle this lane (PriceTooHigh)",
    "allow and sign at least 0.002 USDC a credit on it, or use another",
  ],
  [
    { reason: "lane_refused", because: "0x12345678", dearest: 1_000n },
    "the escrow refused to settle this lane (0x12345678)",
    "use another",
  ],
  [
    { reason: "permit_used" },
    "the permit is used up",
    "sign one for more credits on the same lane",
  ],
  [
    { reason: "no_credits" },
    `${PAYER} has no credits left with this provider`,
    `khachapuri allow ${SIGNER} --credits N --price 0.0015, ` +
    "with an N above the 100 credits that stand",
  ],
  [
    { reason: "not_taken", settled: 3n },
    `${PAYER} has no credits left with this provider`,
    `khachapuri allow ${SIGNER} --credits N --price 0.0015, ` +
    "with an N above the 100 credits that stand",
  ],
  [
    { reason: "earlier_dearer", price: 2_000n },
    "earlier calls on this lane cost 0.002 USDC and are not settled",
    "sign a permit for at least that price, or use another lane",
  ],
  [
    { reason: "earlier_longer", deadline: 1_800_000_000n },
    "what is not settled on this lane was promised by permits that last longer",
    "sign one with deadline 1800000000, use another lane, or wait until it is",
  ],
  [
    { reason: "earlier_longer", deadline: UINT64_MAX },
    "what is not settled on this lane was promised by permits that last longer",
    `sign one with deadline ${UINT64_MAX} (never), use another lane, or wait until it is`,
  ],
  [
    { reason: "too_many_lanes", lanes: 1_024 },
    "1024 lanes are not settled, and a payer has at most 1024 of these with a provider",
    "use one of them, or wait: a lane that is settled makes room for another",
  ],
  [
    { reason: "dust_lanes", lanes: 3, locked: 1_500n, needed: 2_000n },
    "to settle one lane more beside 3 is worth it with 0.002 USDC locked, and 0.0015 USDC are",
    "lock more, or use one of your lanes",
  ],
];

const LACKING = [
  "with too little in the escrow, first: khachapuri deposit USDC",
  `khachapuri balance says what ${PAYER} has, and which of them helps`,
];

/** As owners are told it, whose balance is nobody else's business. */
const OWNERS_ALLOW = `khachapuri allow ${SIGNER} --credits N --price 0.0015, ` +
  "with this provider's name onboard where there is no ETH";

Deno.test("a caller is told why, what to do, and where its lane goes on", () => {
  for (const [refusal, message, hint] of SENTENCES) {
    const { code, shortMessage, hints, lane } = refused("caller", refusal);
    const terms = `${SIGNER} --credits N --price 0.0015`;
    const remedies = {
      permit_price: [
        `khachapuri permit ${terms} signs one that pays; callers pay ` +
        "what is asked now, at every deployment",
      ],
      allowance_price: [`khachapuri allow ${terms} allows that much`],
      no_credits: LACKING,
      not_taken: LACKING,
    }[refusal.reason as string] ?? [];
    assert.deepEqual(
      { code, shortMessage, hints, lane },
      {
        code: "payment_required",
        shortMessage: message,
        hints: [hint, ...remedies],
        lane: { id: LANE, cumulative: 7n },
      },
    );
  }
});

Deno.test("the owner's guest is told that the owner does not cover it, and what either can do", () => {
  for (const [refusal, message, hint] of SENTENCES.slice(1)) {
    const { code, shortMessage, hints, lane } = refused("owner", refusal);
    assert.equal(code, "payment_required");
    assert.equal(shortMessage, "the owner's credits do not cover this call");
    const renew = "owner: khachapuri permit CID renews it, URL and all stay";
    const renewals: Partial<Record<Refusal["reason"], string>> = {
      permit_epoch: renew,
      permit_price: `${renew}; allow alone does not`,
      allowance_price: "owner: khachapuri allow NAME --reprice allows it and renews your permits",
    };
    const renewal = renewals[refusal.reason];
    const isLacking = refusal.reason === "no_credits" || refusal.reason === "not_taken";
    assert.deepEqual(hints, [
      `owner: ${message.replace(PAYER, "the payer")}; ${isLacking ? OWNERS_ALLOW : hint}`,
      ...(renewal ? [renewal] : []),
      "caller: pay yourself with a permit of your own",
    ]);
    assert.equal(lane, undefined, "the owner's counter is nobody else's business");
  }
});

Deno.test("who has none left is told where they are and what helps, and nobody else is", () => {
  const allowance = {
    ...WORDING.allowance,
    credits: 8n,
    thawingCredits: 3n,
    thawEnd: 1_700_000_000n,
  };
  const wording = { ...WORDING, allowance, depositMinimum: 250_000n };
  const no = {
    payable: false,
    refusal: { reason: "no_credits" },
    used: 7n,
    unsettled: 5n,
  } as const;
  const { shortMessage, hints, lane } = refusalError(billOf("caller"), no, wording);
  assert.equal(
    shortMessage,
    `${PAYER} has no credits left with this provider: 5 unsettled, ` +
      "3 thawing until 2023-11-14T22:13:20Z",
  );
  assert.deepEqual(lane, { id: LANE, cumulative: 7n, unsettled: 5n });
  assert.deepEqual(hints.slice(0, -1), [
    `khachapuri allow ${SIGNER} --credits N --price 0.0015, ` +
    "with an N above the 8 credits that stand",
    `khachapuri allow ${SIGNER} --credits 8 --price 0.0015 keeps what you revoked`,
    "with too little in the escrow, first: khachapuri deposit USDC",
    "without ETH, in place of both: khachapuri onboard NAME --amount 0.25, or more, " +
    "with this provider's name",
  ]);
  const later = { ...wording, now: 1_700_000_000n };
  assert.match(refusalError(billOf("caller"), no, later).shortMessage, /: 5 unsettled, 3 thawed$/);
  const none = { ...WORDING, allowance: { ...allowance, credits: 0n, thawingCredits: 0n } };
  const first = refusalError(billOf("caller"), { ...no, unsettled: 0n }, none);
  assert.match(first.shortMessage, /with this provider$/);
  assert.match(first.hints[0]!, /--price 0\.0015$/);
  const owners = JSON.stringify(refusalError(billOf("owner"), no, wording));
  const unproved = { payable: false, refusal: no.refusal, unsettled: 5n } as const;
  for (const text of [owners, JSON.stringify(refusalError(billOf("caller"), unproved, wording))]) {
    assert.doesNotMatch(text, /unsettled|thaw/);
  }
});

Deno.test("where the permit and the allowance are too cheap, both are named with what mends both", () => {
  const permit = { reason: "permit_price", allowed: 1_000n } as const;
  const epoch = { reason: "permit_epoch", epoch: 4 } as const;
  const [why, mend] = refused("owner", permit, CHEAP).hints;
  assert.match(why!, /permit allows 0\.001 USDC a credit, and the allowance is at 0\.001; one/);
  const reprice = "owner: khachapuri allow NAME --reprice allows it and renews your permits";
  assert.equal(mend, reprice);
  assert.equal(refused("owner", epoch, CHEAP).hints[1], reprice);
  const counted = reprice.replace("--reprice", "--reprice --credits N");
  for (const some of [{ credits: 0n, pricePerCredit: 0n }, { thawingCredits: 1n }]) {
    assert.equal(refused("owner", permit, { ...CHEAP, ...some }).hints[1], counted);
  }
  const [, ...steps] = refused("caller", permit, CHEAP).hints;
  assert.deepEqual(steps.map((step) => step.split(" ")[1]), ["allow", "permit"]);
});

Deno.test("who pays too little is told since when, and what the deployment kept until when", () => {
  const hintsAt = (source: "owner" | "caller", prices: Partial<Wording["ownerPrices"]>) => {
    const no = { payable: false, refusal: { reason: "permit_price", allowed: 1_000n } } as const;
    return refusalError(billOf(source), no, {
      ...WORDING,
      ownerPrices: { ...WORDING.ownerPrices, ...prices },
    }).hints;
  };
  const costs = "one credit costs 0.0015 USDC here";
  const at = 1_700_000_000n;
  const before = { price: 1_000n, until: at };
  const [callers, callersRemedy] = hintsAt("caller", { since: () => at, before: () => before });
  assert.equal(callers, `${costs} since 2023-11-14T22:13:20Z`);
  assert.match(callersRemedy!, /^khachapuri permit 0x\w+ --credits N --price 0\.0015 signs one/);
  const owners = hintsAt("owner", { since: () => 7n, before: () => before });
  const kept = "this deployment kept 0.001 USDC until 2023-11-14T22:13:20Z";
  assert.equal(owners[0], `owner: the permit allows 0.001 USDC a credit; ${costs}; ${kept}`);
  assert.match(owners[1]!, /^owner: khachapuri permit CID renews it/);
  assert.match(hintsAt("owner", {})[0]!, new RegExp(`; ${costs}$`));
});

Deno.test("what the provider cannot settle in time is its own trouble, and comes to an end", () => {
  const ours = [
    [{ reason: "operator_limit", retryAfterSeconds: 60 }, /can settle no more today/],
    [{ reason: "backlog", retryAfterSeconds: 7 }, /the provider's settlement is behind/],
  ] as const;
  for (const source of ["caller", "owner"] as const) {
    for (const [refusal, message] of ours) {
      const { code, shortMessage, hints, retryAfterSeconds } = refused(source, refusal);
      assert.deepEqual([code, hints[0]], ["overloaded", "nothing was charged"]);
      assert.match(shortMessage, message);
      assert.equal(retryAfterSeconds, refusal.retryAfterSeconds);
    }
  }
});

Deno.test("that an owner's permit ends is no matter of credits, and told as it is", () => {
  const { shortMessage, lane } = refused("owner", { reason: "permit_expiring" });
  assert.equal(shortMessage, "the permit's deadline has passed or is too near");
  assert.equal(lane, undefined);
});

Deno.test("a lane's counter is not told where it is not known, and zero is a counter", () => {
  const refusal = { reason: "permit_used" } as const;
  const unknown = refusalError(billOf("caller"), { payable: false, refusal }, WORDING);
  assert.equal(unknown.lane, undefined);
  const fresh = refusalError(billOf("caller"), { payable: false, refusal, used: 0n }, WORDING);
  assert.deepEqual(fresh.lane, { id: LANE, cumulative: 0n });
});

Deno.test("who did not prove to be the payer is told who must sign, and nothing else", () => {
  const refusal = { reason: "wrong_signer", signer: SIGNER } as const;
  const told = [
    wrongSigner(refusal, WORDING),
    refusalError(billOf("caller"), { payable: false, refusal, used: 7n }, WORDING),
    refusalError(billOf("owner"), { payable: false, refusal }, WORDING),
  ];
  for (const error of told) {
    assert.deepEqual(error.toJSON(), {
      error: "payment_required",
      message: "the permit's signature is not the payer's",
      hints: [`it must be signed by ${SIGNER} for escrow ${WORDING.escrow}`],
    });
  }
});
