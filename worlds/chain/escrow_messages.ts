/** Messages of payers, provider and operators to an escrow, as a random history has them. */
import fc from "fast-check";
import { type Address, type Hex, type LocalAccount, zeroAddress } from "viem";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../lib/permit.ts";
import { anvilAccount } from "./anvil.ts";
import type { Question } from "./escrow_twins.ts";
import { FAKE_ESCROW } from "./fake_escrow.ts";

export const PROVIDERS = [anvilAccount(0), anvilAccount(1)];
/** Who may be named to settle, and who never is. */
export const OPERATORS = [anvilAccount(2), anvilAccount(3)];
export const PAYERS = [4, 5, 6].map(anvilAccount);
/** Who may sign for a payer. */
const SIGNERS = [anvilAccount(7), anvilAccount(8)];
export const LANES = ["aa", "bb"].map((byte): Hex => `0x${byte.repeat(32)}`);

/** Numbers stand for people, lanes and seconds from now. */
export interface Row {
  payer: number;
  provider: number;
  lane: number;
  signer: number;
  isForged: boolean;
  permit: { price: number; credits: number; deadline: number | null; epoch: number };
  credits: number;
  price: number;
}

export type Act =
  | { do: "allow"; payer: number; price: number; credits: number; signer: number | null }
  | { do: "revoke"; payer: number; credits: number }
  | { do: "reclaim" | "bumpEpoch"; payer: number }
  | { do: "setOperator"; operator: number; expiry: number; cap: number }
  | { do: "settle"; by: number; rows: Row[] }
  | { do: "settle one"; by: number; row: Row };

export interface Step {
  /** Seconds since the step before it. */
  after: number;
  act: Act;
}

const payer = fc.nat(PAYERS.length - 1);
/** Mostly the payer itself. */
const signer = fc.constantFrom(0, 0, 0, 1, 2);
/** One that the opening has made good, unless others have used up what there was. */
const goodRow: fc.Arbitrary<Row> = fc.record({
  payer: fc.nat(1),
  lane: fc.nat(LANES.length - 1),
  credits: fc.nat(30),
}).map(({ payer, ...rest }) => ({
  provider: 0,
  payer,
  signer: payer,
  isForged: false,
  permit: { price: 3, credits: 1_000, deadline: null, epoch: 0 },
  price: 1,
  ...rest,
}));
const anyRow: fc.Arbitrary<Row> = fc.record({
  payer,
  provider: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
  lane: fc.nat(LANES.length - 1),
  signer,
  isForged: fc.constantFrom(false, false, false, false, false, false, true),
  permit: fc.record({
    price: fc.constantFrom(3, 3, 2, 1),
    credits: fc.constantFrom(1_000, 1_000, 5, 20),
    deadline: fc.constantFrom(null, null, null, null, null, 0, -1, 900),
    epoch: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 1, 2),
  }),
  credits: fc.oneof(fc.nat(24), fc.nat(24), fc.nat(24), fc.constant(100)),
  price: fc.constantFrom(1, 2, 2, 3, 0),
});
const row = fc.oneof({ weight: 2, arbitrary: goodRow }, { weight: 3, arbitrary: anyRow });
const by = fc.constantFrom(0, 0, 0, 0, 1, 2);

const step: fc.Arbitrary<Step> = fc.record({
  after: fc.constantFrom(1, 1, 1, 60, 900, 3_599, 3_600, 86_400),
  act: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("allow" as const),
        payer,
        price: fc.constantFrom(2, 2, 3, 1),
        credits: fc.constantFrom(30, 40, 60, 10, 0, 5_000),
        signer: fc.constantFrom(null, null, null, 0, 1, 2),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("revoke" as const),
        payer,
        credits: fc.constantFrom(0, 3, 20, 1_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom("reclaim", "bumpEpoch"), payer }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("setOperator" as const),
        operator: fc.constantFrom(0, 0, 1),
        expiry: fc.constantFrom(1_000_000_000, 1_000_000_000, 5_000, 0, -1),
        cap: fc.constantFrom(0, 0, 20, 7, 60),
      }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        do: fc.constant("settle" as const),
        by,
        rows: fc.array(row, { minLength: 1, maxLength: 5 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("settle one" as const), by, row }) },
  ),
});

/** A notice, and what it was for just before its time, then, and just after. */
const notice: fc.Arbitrary<Step[]> = fc.record({
  payer: fc.nat(1),
  after: fc.constantFrom(3_599, 3_600, 3_601),
  act: fc.constantFrom("revoke", "bumpEpoch"),
  rows: fc.array(goodRow, { minLength: 1, maxLength: 3 }),
}).map(({ payer, after, act, rows }): Step[] =>
  act === "revoke"
    ? [
      { after: 1, act: { do: "revoke", payer, credits: 20 } },
      { after: 1, act: { do: "settle", by: 1, rows } },
      { after: after - 1, act: { do: "reclaim", payer } },
    ]
    : [
      { after: 1, act: { do: "bumpEpoch", payer } },
      { after, act: { do: "settle", by: 1, rows } },
    ]
);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: step.map((step) => [step]) },
    { weight: 1, arbitrary: notice },
  ),
  { minLength: 8, maxLength: 20, size: "max" },
).map((parts) => parts.flat());

/** What most of it needs first: allowances, and somebody who may settle. */
export const OPENING: readonly Step[] = [
  { after: 1, act: { do: "setOperator", operator: 0, expiry: 1_000_000_000, cap: 16 } },
  { after: 1, act: { do: "allow", payer: 0, price: 2, credits: 40, signer: null } },
  { after: 1, act: { do: "allow", payer: 1, price: 2, credits: 60, signer: 1 } },
];

/** Who says what to the escrow at `time`, Unix seconds. */
export async function messageOf(act: Act, time: bigint): Promise<[Address, Question]> {
  const provider = PROVIDERS[0]!.address;
  switch (act.do) {
    case "allow": {
      const { address } = PAYERS[act.payer]!;
      const signer = act.signer === null ? zeroAddress : signerOf(act.payer, act.signer).address;
      const args = [provider, BigInt(act.price), BigInt(act.credits), signer];
      return [address, { functionName: "allow", args }];
    }
    case "revoke": {
      const args = [provider, BigInt(act.credits)];
      return [PAYERS[act.payer]!.address, { functionName: "revoke", args }];
    }
    case "reclaim":
    case "bumpEpoch":
      return [PAYERS[act.payer]!.address, { functionName: act.do, args: [provider] }];
    case "setOperator": {
      const expiry = act.expiry === 0 ? 0 : Number(time) + act.expiry;
      const args = [OPERATORS[act.operator]!.address, expiry, BigInt(act.cap)];
      return [provider, { functionName: "setOperator", args }];
    }
    case "settle": {
      const rows = await Promise.all(act.rows.map((row) => chargeOf(row, time)));
      return [settler(act.by), { functionName: "consume", args: [rows] }];
    }
    case "settle one": {
      const { permit, price } = await chargeOf(act.row, time);
      return [settler(act.by), { functionName: "consume", args: [price, permit] }];
    }
  }
}

function settler(by: number): Address {
  return [OPERATORS[0]!, PROVIDERS[0]!, OPERATORS[1]!][by]!.address;
}

/** The payer itself, or somebody for it. */
function signerOf(payer: number, signer: number): LocalAccount {
  return [PAYERS[payer]!, ...SIGNERS][signer]!;
}

/** A row of a settlement at `time`, with the permit that it rests on. */
export async function chargeOf(row: Row, time: bigint, lane = LANES[row.lane]!): Promise<Charge> {
  const { deadline, ...signed } = row.permit;
  const permit = await signPermit(
    signerOf(row.payer, row.signer),
    { chainId: 31_337, escrow: FAKE_ESCROW },
    {
      payer: PAYERS[row.payer]!.address,
      provider: PROVIDERS[row.provider]!.address,
      lane,
      price: BigInt(signed.price),
      credits: BigInt(signed.credits),
      deadline: deadline === null ? UINT64_MAX : time + BigInt(deadline),
      epoch: signed.epoch,
    },
  );
  const { credits, price } = row;
  return {
    permit: row.isForged ? forged(permit) : permit,
    credits: BigInt(credits),
    price: BigInt(price),
  };
}

/** Signed by the same key, and of the form that no escrow takes: v of another recovery id. */
function forged(permit: Permit): Permit {
  return { ...permit, signature: `${permit.signature.slice(0, -2)}1d` as Hex };
}
