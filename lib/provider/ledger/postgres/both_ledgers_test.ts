/** Whatever is asked of a ledger, SQLite and PostgreSQL answer the same. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, getAddress, type Hex } from "viem";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import {
  CID,
  drawOf,
  LANE,
  openLedger,
  OTHER_CID,
  OTHER_LANE,
  permitOf,
  RUN,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../../worlds/ledger.ts";
import { type Permit, UINT128_MAX } from "../../../permit.ts";
import type { Draw, Judgement } from "../judge.ts";
import type { Held, LaneState, Ledger } from "../ledger.ts";

const SERVER = await startFleetServer();

const lane = fc.constantFrom<Hex>(LANE, OTHER_LANE);

/** Of a caller over a few credits, which last differently, and an owner's without end. */
const permit = fc.record({
  credits: fc.constantFrom(1n, 2n, 3n, 5n, 8n, UINT128_MAX),
  deadline: fc.constantFrom(1_800_000_000n, 1_900_000_000n),
  price: fc.constantFrom(3n, 5n, 8n),
  epoch: fc.constantFrom(0, 1),
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("hold" as const),
      lane,
      permit,
      price: fc.constantFrom(3n, 5n),
      cid: fc.constantFrom(CID, OTHER_CID),
      isPooled: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("charge" as const),
      which: fc.nat(7),
      hasReceipt: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat(7) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("settled" as const, "level" as const),
      lane,
      share: fc.constantFrom(0n, 1n, 2n),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("refused" as const),
      lane,
      reason: fc.constantFrom("PermitExpired", "PermitExceeded", "PriceTooHigh", "WrongEpoch"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("allow" as const), ceiling: fc.bigInt(0n, 12n) }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One ledger with what is in hand of it. */
class Side {
  readonly held: Held[] = [];

  constructor(readonly ledger: Ledger) {}

  async hold(draw: Draw, view: ReturnType<typeof viewOf>, isPooled: boolean): Promise<unknown> {
    const answer = await this.ledger.hold(draw, view, "allowance", isPooled);
    if (!answer.payable) return told(answer);
    this.held.push(answer);
    return "held";
  }

  take(which: number): Held | null {
    if (this.held.length === 0) return null;
    return this.held.splice(which % this.held.length, 1)[0]!;
  }
}

function told({ refusal, used }: Extract<Judgement, { payable: false }>): unknown {
  return { refusal, used };
}

/** Without what the stores keep each in its way: what is held ahead, and times. */
function comparable(state: LaneState | undefined): unknown {
  if (state === undefined) return undefined;
  const { held: _, openedAt: __, settledBlock: ___, ...rest } = state;
  return rest;
}

let payers = 0;

/** Carries a history out on both sides; after each step all that can be asked is the same. */
async function carryOut(sides: readonly [Side, Side], steps: readonly Step[]): Promise<void> {
  const payer: Address = getAddress(`0x${(++payers).toString(16).padStart(40, "0")}`);
  const permits = new Map<string, Permit>();
  let ceiling = 6n;
  let block = 1n;
  const view = () => viewOf(ceiling, { block, pricePerCredit: 8n, signer: payer });
  const both = async (ask: (side: Side) => Promise<unknown>, what: string) => {
    const [one, two] = [await ask(sides[0]), await ask(sides[1])];
    assert.deepEqual(two, one, what);
    return one;
  };
  for (const [index, each] of steps.entries()) {
    const what = `step ${index}, ${each.kind}`;
    if (each.kind === "allow") {
      ceiling = each.ceiling;
      block += 1n;
    } else if (each.kind === "hold") {
      const key = JSON.stringify([each.lane, Object.values(each.permit).map(String)]);
      const signature = signatureOf(payers * 1_000 + permits.size);
      const made = permits.get(key) ??
        permitOf({ payer, lane: each.lane, ...each.permit, signature });
      permits.set(key, made);
      const draw = drawOf({
        payer,
        lane: each.lane,
        permit: made,
        price: each.price,
        cid: each.cid,
      });
      await both(async ({ ledger }) => {
        const judgement = await ledger.judge(draw, view(), "allowance");
        return judgement.payable ? "payable" : told(judgement);
      }, `${what}: judged`);
      await both((side) => side.hold(draw, view(), each.isPooled), what);
    } else if (each.kind === "charge") {
      await both(async (side) => {
        const held = side.take(each.which);
        if (!held) return null;
        await side.ledger.charge(held, "answered", each.hasReceipt ? RUN : null);
        const charge = await side.ledger.receipted(held.reservation);
        return charge?.facts;
      }, what);
    } else if (each.kind === "release") {
      for (const side of sides) {
        const held = side.take(each.which);
        if (held) side.ledger.release(held, "hung up");
      }
    } else {
      const id = { payer, lane: each.lane };
      const state = await sides[0].ledger.lane(id);
      if (state === undefined) continue;
      for (const { ledger } of sides) {
        if (each.kind === "refused") {
          const { reason } = each;
          await ledger.record([{ ...id, fact: "refused", reason, transaction: TRANSACTION }]);
        } else {
          const settled = each.share * state.charged / 2n;
          const fact = { ...id, settled, block: block + 10n, transaction: TRANSACTION };
          await ledger.record([{ ...fact, fact: each.kind }]);
        }
      }
    }
    await compare(both, payer, what);
  }
}

async function compare(
  both: (ask: (side: Side) => Promise<unknown>, what: string) => Promise<unknown>,
  payer: Address,
  what: string,
): Promise<void> {
  for (const lane of [LANE, OTHER_LANE]) {
    await both(
      async ({ ledger }) => comparable(await ledger.lane({ payer, lane })),
      `${what}: lane`,
    );
    await both(({ ledger }) => ledger.usedUp({ payer, lane }), `${what}: used up`);
  }
  await both(async ({ ledger }) => {
    const due = await ledger.dueOf(payer);
    return due.map(({ since: _, ...rest }) => rest).sort(byLane);
  }, `${what}: due`);
  await both(async ({ ledger }) => {
    const refused = await ledger.refused(payer);
    return refused.sort(byLane).map(comparable);
  }, `${what}: refused`);
  await both(async ({ ledger }) => (await ledger.basis(payer, LANE, 5n)).settledHere, what);
}

function byLane(one: { lane: Hex }, other: { lane: Hex }): number {
  return one.lane < other.lane ? -1 : 1;
}

Deno.test({
  name: "whatever is asked of a ledger, SQLite and PostgreSQL answer the same",
  ignore: SERVER === null,
  async fn() {
    await using book = await openLedger();
    await using world = await freshDatabase(SERVER!);
    await using node = await openLedgerNode(world.database);
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30, size: "max" }),
      async (steps) => {
        await carryOut([new Side(book.ledger), new Side(node.ledger)], steps);
        await assertBooks(world.database);
      },
    );
    await fc.assert(property, { numRuns: Number(Deno.env.get("KHACHAPURI_RUNS") ?? 15) });
  },
});
