/**
 * Who is against the provider: payers, miners and nodes that do at each step what fast-check finds
 * worst. What must hold all the same is checked after every one of them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeEventLog, type Hex, zeroAddress } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { signingEpoch } from "../../lib/permit.ts";
import type { Hold } from "../../lib/provider/money/scheme.ts";
import { FakeRevert } from "./fake_chain.ts";
import { laneOf, type MoneyWorld, OPERATOR, payersByAddress, type Terms } from "./money_world.ts";
import { PRICE, PROVIDER } from "./payer_bills.ts";
import { overdue } from "./turns.ts";

const PAYERS = payersByAddress(6);
/** The last payer's permits are signed by the one before it. */
const SIGNED_FOR = PAYERS.length - 1;
const LANES_EACH = 40;
const GWEI = 10n ** 9n;
/** Nothing that is mined may cost more for a unit of gas, whatever it was raised to, wei. */
const PRICE_MAX = 3_000n * GWEI;
const SHARE_GAS = 15_000_000;

export type Move =
  | { do: "call"; payer: number; lane: number; lasts: number | null }
  | { do: "hold"; payer: number; lane: number }
  | { do: "end"; nth: number; how: "charge" | "release" }
  | { do: "dust"; payer: number; lanes: number }
  | { do: "allow" | "revoke"; payer: number; credits: number }
  | { do: "reclaim" | "bumpEpoch"; payer: number }
  | { do: "blocks"; count: number }
  /** Until what thaws may be reclaimed. */
  | { do: "wait"; hours: number }
  | { do: "delay" | "spike" | "empty the operator" | "silence" | "lag"; isOn: boolean }
  | { do: "settle" | "crash" };

const payer = fc.nat(PAYERS.length - 1);
const lane = fc.nat(2);

/** What payers may do with nothing but calls. */
const CALLS: fc.WeightedArbitrary<Move>[] = [
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      payer,
      lane,
      lasts: fc.constantFrom(null, null, 140, 200, 3_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("hold" as const), payer, lane }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      nth: fc.nat(9),
      how: fc.constantFrom("charge", "release"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("dust" as const),
      payer,
      lanes: fc.integer({ min: 5, max: LANES_EACH }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("blocks" as const),
      count: fc.constantFrom(1, 1, 2, 4),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "settle" as const }) },
];

const DISTURBANCES: fc.WeightedArbitrary<Move>[] = [
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("allow", "revoke", "revoke"),
      payer,
      credits: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("reclaim", "bumpEpoch"), payer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("delay", "spike", "empty the operator", "silence", "lag"),
      isOn: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "crash" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), hours: fc.constant(1) }) },
];

const upTo = (length: number, moves: fc.WeightedArbitrary<Move>[]) =>
  fc.array(fc.oneof(...moves), { minLength: 10, maxLength: length, size: "max" });

/** Payers call, and nothing goes wrong. */
export const calm: fc.Arbitrary<Move[]> = upTo(30, CALLS);
/** Whatever anybody may do. */
export const rough: fc.Arbitrary<Move[]> = upTo(40, [...CALLS, ...DISTURBANCES]);

interface Held {
  payer: number;
  lane: Hex;
  hold: Hold;
}

export class Adversary {
  readonly #world: MoneyWorld;
  readonly #held: Held[] = [];
  /** Whether nothing was done that excuses a late settlement. */
  #isCalm = true;
  #isSilent = false;

  constructor(world: MoneyWorld) {
    this.#world = world;
  }

  /** Everybody has money, and has set some aside. */
  async begin(): Promise<void> {
    const { fake } = this.#world;
    for (const [index, { address }] of PAYERS.entries()) {
      const signer = index === SIGNED_FOR ? PAYERS[index - 1]!.address : zeroAddress;
      fake.fund(address, 10_000n);
      await fake.act(address, "allow", [PROVIDER.address, PRICE, 60n, signer]);
    }
  }

  async take(move: Move): Promise<void> {
    const world = this.#world;
    const { fake } = world;
    switch (move.do) {
      case "call": {
        const hold = await this.#hold(move.payer, laneOf(move.lane), move.lasts);
        if (hold) {
          await this.#charge({ payer: move.payer, lane: laneOf(move.lane), hold }, move.lasts);
        }
        return;
      }
      case "hold": {
        const hold = await this.#hold(move.payer, laneOf(move.lane), null);
        if (hold) this.#held.push({ payer: move.payer, lane: laneOf(move.lane), hold });
        return;
      }
      case "end":
        return await this.#end(move.nth, move.how);
      case "dust":
        for (let n = 0; n < move.lanes; n++) {
          const hold = await this.#hold(move.payer, laneOf(n), null);
          if (hold) await this.#charge({ payer: move.payer, lane: laneOf(n), hold }, null);
        }
        return;
      case "blocks":
        return await world.pass(move.count);
      case "wait":
        // Hours without a block: nothing can be in time then.
        this.#isCalm = false;
        fake.now += BigInt(move.hours * 3_600);
        return await world.pass(2);
      case "settle":
        return world.settle();
      case "crash":
        return await this.#crash();
      case "allow":
      case "revoke":
      case "reclaim":
      case "bumpEpoch":
        return await this.#act(move);
      default:
        this.#isCalm = false;
        return this.#disturb(move.do, move.isOn, fake);
    }
  }

  /** What holds whatever was done. */
  check(): void {
    const { pages, fake } = this.#world;
    for (const { payer, lane, charged, signed } of pages.values()) {
      const taken = fake.consumed(payer, lane);
      assert.ok(taken <= charged, `${taken} taken of ${charged} that were used`);
      assert.ok(taken <= signed, `${taken} taken of ${signed} that were signed for`);
      assert.ok(fake.paid(payer, lane) <= charged * PRICE, "it paid more than it used");
    }
  }

  /** Once all is well again, what was used is paid, or the book says why not; and in time. */
  async finish(): Promise<void> {
    const world = this.#world;
    const { fake } = world;
    const pace = { intervalSeconds: 12, blockSeconds: 12, shareGas: SHARE_GAS };
    if (this.#isCalm) assert.deepEqual(overdue(world.debts, pace, Number(fake.now)), []);
    for (const what of ["delay", "spike", "empty the operator", "silence", "lag"] as const) {
      this.#disturb(what, false, fake);
    }
    while (this.#held.length > 0) await this.#end(0, "charge");
    await world.pass(16);
    this.check();
    this.#checkEvents();
    for (const { payer, lane, charged } of world.pages.values()) {
      const due = charged - fake.consumed(payer, lane);
      const refused = (await world.payments.ledger.lane({ payer, lane }))?.refused;
      assert.ok(due === 0n || refused, `${due} credits are due and nobody says so`);
    }
  }

  /** No credit was charged twice, and none of what was mined cost more than it may. */
  #checkEvents(): void {
    const counts = new Map<string, bigint>();
    for (const { price, logs } of this.#world.fake.mined()) {
      assert.ok(price <= PRICE_MAX, `${price} wei for a unit of gas`);
      for (const { eventName, topics, data } of logs) {
        if (eventName !== "Charged") continue;
        const told = { abi: escrowAbi, eventName: "Charged", topics, data } as const;
        const { args } = decodeEventLog({ ...told, topics: told.topics as [Hex, ...Hex[]] });
        const key = `${args.payer}:${args.lane}`;
        const count = (counts.get(key) ?? 0n) + args.credits;
        assert.equal(args.cumulative, count, "charged twice, or out of order");
        counts.set(key, count);
      }
    }
  }

  async #hold(payer: number, lane: Hex, lasts: number | null): Promise<Hold | null> {
    const account = PAYERS[payer]!;
    const { fake } = this.#world;
    const allowance = fake.allowanceOf(account.address);
    const hold = await this.#world.hold(account, lane, {
      ...(lasts === null ? {} : { lasts: BigInt(lasts) }),
      ...(payer === SIGNED_FOR ? { signer: PAYERS[payer - 1]! } : {}),
      epoch: signingEpoch(allowance),
    });
    if (typeof hold === "string") return null;
    const owed = this.#owedBy(payer) + 1n;
    // A reclaim that was not heard yet took credits that were promised: then it waits for blocks.
    assert.ok(owed <= allowance.credits || this.#isBehind(), `${owed} of ${allowance.credits}`);
    return hold;
  }

  /** Used or held and not taken. */
  #owedBy(payer: number): bigint {
    const { address } = PAYERS[payer]!;
    const held = this.#held.filter((each) => each.payer === payer).length;
    return [...this.#world.pages.values()].filter((page) => page.payer === address)
      .reduce(
        (sum, { lane, charged }) => sum + charged - this.#world.fake.consumed(address, lane),
        BigInt(held),
      );
  }

  #isBehind(): boolean {
    const { payments: { follower }, fake } = this.#world;
    return this.#isSilent || follower.head() !== fake.height();
  }

  async #charge({ payer, lane, hold }: Held, lasts: number | null): Promise<void> {
    const terms: Terms = lasts === null ? {} : { lasts: BigInt(lasts) };
    await this.#world.charge(PAYERS[payer]!, lane, hold, terms);
  }

  async #end(nth: number, how: "charge" | "release"): Promise<void> {
    const [ended] = this.#held.splice(nth % this.#held.length, 1);
    if (!ended) return;
    if (how === "release") return ended.hold.release("test");
    await this.#charge(ended, null);
  }

  async #act(move: Extract<Move, { payer: number; do: string }>): Promise<void> {
    const { fake } = this.#world;
    const { address } = PAYERS[(move as { payer: number }).payer]!;
    // Whoever gives notice may be gone before its debts have had their turn.
    this.#isCalm = false;
    const provider = PROVIDER.address;
    const { credits: held, signer } = fake.allowanceOf(address);
    const credits = "credits" in move ? BigInt(move.credits) : 0n;
    const args: Record<string, unknown[]> = {
      allow: [provider, PRICE, held + credits, signer],
      revoke: [provider, credits],
      reclaim: [provider],
      bumpEpoch: [provider],
    };
    await fake.act(address, move.do, args[move.do]!).catch((error) => {
      if (!(error instanceof FakeRevert)) throw error;
    });
  }

  #disturb(what: string, isOn: boolean, fake: MoneyWorld["fake"]): void {
    if (what === "delay") fake.delays = () => isOn;
    if (what === "spike") fake.baseFee = () => isOn ? 1_000n * GWEI : GWEI;
    if (what === "empty the operator") fake.setCoin(OPERATOR.address, isOn ? 0n : 10n ** 20n);
    if (what === "lag") fake.faults.lag = isOn ? 2n : 0n;
    if (what !== "silence") return;
    this.#isSilent = isOn;
    fake.intercept = isOn ? () => Promise.reject(new Error("down")) : null;
  }

  async #crash(): Promise<void> {
    const { fake, payments } = this.#world;
    this.#isCalm = false;
    this.#disturb("silence", true, fake);
    await payments.close();
    this.#disturb("silence", false, fake);
    this.#held.length = 0;
    await this.#world.start();
  }
}
