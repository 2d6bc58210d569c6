import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, type Hex, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { shippedOn } from "../../../lib/chain/deployments.ts";
import { proofOf } from "../../../lib/lane_count.ts";
import type { CreditsOffer } from "../../../lib/payment_header.ts";
import { type Permit, recoverPermitSigner, signPermit } from "../../../lib/permit.ts";
import {
  type Answer,
  creditsServer,
  payOnce,
  requirementsOf,
  worthOf,
} from "../../../worlds/credits_server.ts";
import type { CreditsOptions, CreditsStore } from "../index.d.ts";
import { CreditsScheme } from "./credits_scheme.ts";

const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const BASE = shippedOn(8453)!;
const PRICE = 1_000n;
/** Unix ms, half past an hour. */
const NOW = 1_800_001_800_000;

const offer: CreditsOffer = {
  chainId: 8453,
  escrow: BASE.escrow,
  asset: BASE.usdc.address,
  payTo: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  pricePerCredit: PRICE,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 86_400,
};

function schemeOf(options: CreditsOptions = {}): CreditsScheme {
  return new CreditsScheme(account, { now: () => NOW, onRefused: () => {}, ...options });
}

const addressOf = (number: number): Address => toHex(number, { size: 20 });

function memoryStore(): CreditsStore & { text: string | null } {
  const store = {
    text: null as string | null,
    load: () => Promise.resolve(store.text),
    save: (text: string) => Promise.resolve(void (store.text = text)),
  };
  return store;
}

Deno.test("a call is paid by a permit for one credit more on a lane of its own", async () => {
  const server = creditsServer(offer);
  const scheme = schemeOf();
  for (const _ of [1, 2, 3]) await payOnce(scheme, server, server.judge);
  assert.deepEqual(server.permits.map(({ credits }) => credits), [1n, 2n, 3n]);
  assert.equal(new Set(server.permits.map(({ lane }) => lane)).size, 1);
  const [permit] = server.permits;
  assert.equal(await recoverPermitSigner(offer, permit!), account.address);
  assert.equal(permit!.deadline, 1_800_003_600n + 86_400n, "it ends on the hour, a day later");
  assert.deepEqual([permit!.payer, permit!.provider, permit!.epoch], [
    account.address,
    offer.payTo,
    0,
  ]);
  const dearer = creditsServer({ ...offer, pricePerCredit: 2n * PRICE });
  await payOnce(scheme, dearer, dearer.judge);
  const { lane, price, credits } = dearer.permits[0]!;
  assert.deepEqual([price, credits], [2n * PRICE, 1n], "a dearer credit makes no other dearer");
  assert.notEqual(lane, permit!.lane);
  const other = creditsServer(offer);
  await payOnce(schemeOf(), other, other.judge);
  assert.notEqual(other.permits[0]!.lane, permit!.lane, "another instance shares no lane");
});

Deno.test("calls at the same time all get through, in whatever order they arrive", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 16 }),
      fc.array(fc.nat({ max: 15 }), { minLength: 8, maxLength: 64, size: "max" }),
      async (callers, order) => {
        const server = creditsServer(offer);
        const scheme = schemeOf();
        const waiting: (() => void)[] = [];
        const arrive = async (permit: Permit) => {
          await new Promise<void>((resolve) => waiting.push(resolve));
          return server.judge(permit);
        };
        const caller = async () => {
          const said: Answer[] = [];
          for (const _ of [1, 2, 3]) said.push(await payOnce(scheme, server, arrive));
          return said;
        };
        const all = Promise.all(Array.from({ length: callers }, caller));
        let isOver = false;
        all.finally(() => isOver = true).catch(() => {});
        for (let turn = 0; !isOver; turn++) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          // However late a request is, it is not overtaken for ever.
          const pick = turn % 3 === 0 ? 0 : order[turn % order.length]! % (waiting.length || 1);
          waiting.splice(pick, 1)[0]?.();
        }
        for (const said of (await all).flat()) {
          assert.ok(typeof said === "object" && "charged" in said);
        }
        const [lane] = await scheme.lanes();
        const calls = 3n * BigInt(callers);
        assert.equal(lane!.charged, calls);
        assert.ok(lane!.signed <= calls + 2n * BigInt(callers), `${lane!.signed} signed`);
      },
    ),
    { numRuns: 30 },
  );
});

Deno.test("a hostile provider can charge no more than the caps, whatever it says", async () => {
  const said = fc.oneof(
    fc.constant<"honest">("honest"),
    fc.constant<"nothing said">("nothing said"),
    fc.record({ charged: fc.bigInt({ min: 0n, max: 1n << 127n }) }),
    fc.record({ claimed: fc.bigInt({ min: 0n, max: 1n << 127n }), several: fc.boolean() }),
    fc.record({ claimed: fc.bigInt({ min: 0n, max: 40n }), several: fc.boolean() }),
  );
  const step = fc.record({
    provider: fc.nat({ max: 3 }),
    atOnce: fc.integer({ min: 1, max: 4 }),
    price: fc.constantFrom(1n, 500n, PRICE, 20_000n, 1_000_000n),
    creditsMax: fc.constantFrom(1, 40),
    said,
  });
  const caps = { perCall: "0.02", perProvider: "0.05", total: "0.08" };
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40, size: "max" }),
      fc.constantFrom<CreditsOptions>({}, { creditsPerCall: 3 }, { laneLabel: "a" }),
      async (steps, options) => {
        const scheme = schemeOf({ caps, ...options });
        const permits: Permit[] = [];
        for (const { provider, atOnce, price, creditsMax, said } of steps) {
          const payTo = addressOf(provider + 1);
          const server = creditsServer({ ...offer, payTo, pricePerCredit: price, creditsMax });
          const answer = (permit: Permit): Answer => {
            if (said === "honest") return server.judge(permit);
            if (said === "nothing said" || "charged" in said) return said;
            const lane = { id: permit.lane, cumulative: said.claimed };
            return { refused: { ...server.offer, creditsMax: said.several ? 40 : 1, lane } };
          };
          const call = () => payOnce(scheme, server, answer).catch(isRefused);
          await Promise.all(Array.from({ length: atOnce }, call));
          permits.push(...server.permits);
          const dearest = server.permits.every(({ price }) => price <= 20_000n);
          assert.ok(dearest, "a price beyond the cap of a call");
        }
        assert.ok(worthOf(permits) <= 80_000n, `${worthOf(permits)} in all`);
        for (const of of Map.groupBy(permits, (permit) => permit.provider).values()) {
          assert.ok(worthOf(of) <= 50_000n, `${worthOf(of)} of one provider`);
        }
      },
    ),
    { numRuns: 60 },
  );
});

function isRefused(error: unknown): void {
  const { code } = error as { code?: string };
  if (code !== "payment_required") throw error;
}

Deno.test("without proof a count beyond the calls that were made is not gone along with", async () => {
  const server = creditsServer(offer);
  const scheme = schemeOf();
  const lie = ({ lane: id, credits }: { lane: Hex; credits: bigint }): Answer => {
    return { refused: { ...offer, lane: { id, cumulative: credits } } };
  };
  for (const _ of [1, 2, 3]) {
    await assert.rejects(payOnce(scheme, server, lie), {
      code: "payment_required",
      message: /counts 1 credits on this lane, where 0 were called for or are proved: 0\.001 USDC/,
    });
  }
  assert.equal(server.worth(), PRICE, "and lies buy nothing");
  // The same provider, honest again.
  await payOnce(scheme, server, server.judge);
  assert.equal(server.worth(), PRICE);
});

Deno.test("what an answer says is charged makes nobody sign for more than calls", async () => {
  const server = creditsServer(offer);
  const scheme = schemeOf();
  for (const _ of [1, 2, 3]) await payOnce(scheme, server, () => ({ charged: 1_000n }));
  assert.deepEqual(server.permits.map(({ credits }) => credits), [1n, 2n, 3n]);
});

Deno.test("a count that an own permit proves is gone on from", async () => {
  const server = creditsServer(offer);
  const scheme = schemeOf({ laneLabel: "agent", caps: { perProvider: "0.004" } });
  const earlier = (signer: typeof account, credits: bigint, changes: object) =>
    signPermit(signer, offer, {
      payer: account.address,
      provider: offer.payTo,
      lane: server.permits.at(-1)!.lane,
      price: PRICE,
      credits,
      deadline: BigInt(NOW / 1_000) + 100n,
      epoch: 0,
      ...changes,
    });
  let changes = {};
  let signer = account;
  const claim = async ({ lane: id, credits }: { lane: Hex; credits: bigint }): Promise<Answer> => {
    if (credits > 5_000n) return { charged: credits };
    const proof = proofOf(await earlier(signer, 5_000n, changes));
    return { refused: { ...offer, lane: { id, cumulative: 5_000n, proof } } };
  };
  signer = stranger;
  await assert.rejects(payOnce(scheme, server, claim), { message: /proof .* is false/ });
  signer = account;
  for (changes of [{ deadline: 1n }, { epoch: 1 }, { price: PRICE - 1n }]) {
    await assert.rejects(payOnce(scheme, server, claim), { message: /its word alone/ });
  }
  changes = {};
  await payOnce(scheme, server, claim);
  assert.equal(server.permits.at(-1)!.credits, 5_001n);
  for (const _ of [1, 2]) await payOnce(scheme, server, claim);
  await assert.rejects(payOnce(scheme, server, claim), { message: /caps\.perProvider/ });
});

Deno.test("a lane by a label takes a little on the provider's word, within the caps", async () => {
  const server = creditsServer(offer);
  const scheme = schemeOf({ laneLabel: "agent", caps: { perProvider: "2", total: "2" } });
  const claim = (cumulative: bigint) => ({ lane: id, credits }: { lane: Hex; credits: bigint }) =>
    credits > cumulative
      ? { charged: credits }
      : { refused: { ...offer, lane: { id, cumulative } } };
  await payOnce(scheme, server, claim(900n));
  assert.equal(server.permits.at(-1)!.credits, 901n);
  await assert.rejects(payOnce(scheme, server, claim(1_200n)), { message: /its word alone/ });
  const again = creditsServer(offer);
  const other = schemeOf({ laneLabel: "agent" });
  await payOnce(other, again, again.judge);
  assert.equal(again.permits[0]!.lane, server.permits[0]!.lane, "the label alone says the lane");
});

Deno.test("what an offer asks for has to be what is trusted and what is looked at", async () => {
  const scheme = schemeOf({ providers: [offer.payTo] });
  const asked = (changes: Partial<CreditsOffer>, context?: { maxAmountPerPayment?: string }) =>
    scheme.createPaymentPayload(2, requirementsOf({ ...offer, ...changes }), context);
  await assert.rejects(asked({ escrow: addressOf(7) }), { code: "untrusted_escrow" });
  await assert.rejects(asked({ chainId: 84532 }), { code: "untrusted_escrow" });
  await assert.rejects(asked({ chainId: 31337 }), { code: "untrusted_escrow" });
  await assert.rejects(asked({ asset: addressOf(7) }), { code: "invalid_input" });
  await assert.rejects(asked({ payTo: addressOf(7) }), { code: "access_denied" });
  await assert.rejects(asked({ pricePerCredit: 100_001n }), { message: /0\.100001 .*perCall/ });
  await assert.rejects(asked({}, { maxAmountPerPayment: "999" }), { message: /spend controls/ });
  await assert.rejects(scheme.createPaymentPayload(1, requirementsOf(offer)), {
    code: "invalid_input",
  });
  const cheap = { ...requirementsOf(offer), amount: "1" };
  await assert.rejects(scheme.createPaymentPayload(2, cheap), {
    message: /says 1 and asks for 1000/,
  });
  assert.deepEqual(await scheme.lanes(), [], "nothing was signed");
  await asked({});
});

Deno.test("options that are not understood are refused", () => {
  const wrong: [object, RegExp][] = [
    [{ caps: { perCall: "$1" } }, /not an amount of USDC/],
    [{ caps: { percall: "1" } }, /unknown field caps\.percall/],
    [{ providers: ["paolo.eth"] }, /providers\.0: not an Ethereum address/],
    [{ creditsPerCall: 0 }, /creditsPerCall: less than one/],
    [{ payer: stranger.address, deposit: { amount: "1" } }, /by the payer itself/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => schemeOf(options as CreditsOptions), { code: "invalid_input", message });
  }
});

Deno.test("an instance with the same store goes on where the last one ended", async () => {
  const store = memoryStore();
  const server = creditsServer(offer);
  const caps = { perProvider: "0.005" };
  const first = schemeOf({ store, caps });
  for (const _ of [1, 2, 3]) await payOnce(first, server, server.judge);
  const second = schemeOf({ store, caps });
  await payOnce(second, server, server.judge);
  assert.equal(new Set(server.permits.map(({ lane }) => lane)).size, 1);
  assert.equal([...server.used.values()][0], 4n);
  assert.equal(server.worth(), 4n * PRICE);
  await payOnce(second, server, server.judge);
  await assert.rejects(payOnce(schemeOf({ store, caps }), server, server.judge), {
    message: /caps\.perProvider \(0\.005 USDC\): 0\.005 USDC are signed for/,
  });
  await assert.rejects(
    new CreditsScheme(stranger, { store }).createPaymentPayload(2, requirementsOf(offer)),
    { code: "invalid_config", message: /is 0x.*'s, not 0x.*'s/ },
  );
});

Deno.test("a permit is saved before it is sent, and not sent when that fails", async () => {
  const saved: string[] = [];
  const store: CreditsStore = {
    load: () => Promise.resolve(null),
    save(text) {
      saved.push(text);
      return saved.length === 2 ? Promise.reject(new Error("disk full")) : Promise.resolve();
    },
  };
  const server = creditsServer(offer);
  const scheme = schemeOf({ store });
  await payOnce(scheme, server, (permit) => {
    assert.equal(JSON.parse(saved[0]!).lanes[0].signed, String(permit.credits));
    return server.judge(permit);
  });
  await assert.rejects(payOnce(scheme, server, server.judge), { message: "disk full" });
  assert.equal(server.permits.length, 1);
  await payOnce(scheme, server, server.judge);
  assert.equal(server.permits.at(-1)!.credits, 2n);
});

Deno.test("a deposit is signed once, when credits are lacking and it was wished for", async () => {
  let now = NOW;
  const server = creditsServer({ ...offer, depositMinimum: 500_000n });
  const lacking = (): Answer => ({ refused: server.offer });
  const unasked = schemeOf();
  await payOnce(unasked, server, (_, payload) => {
    assert.ok(!("deposit" in payload));
    return lacking();
  });
  const scheme = schemeOf({ deposit: { amount: "2", total: "3" }, now: () => now });
  const seen: Record<string, string>[] = [];
  const take = (_: unknown, { deposit }: Record<string, unknown>) => {
    if (deposit) seen.push(deposit as Record<string, string>);
    return lacking();
  };
  await payOnce(scheme, server, take);
  await Promise.all([1, 2, 3].map(() => payOnce(scheme, server, take)));
  assert.equal(new Set(seen.map(({ signature }) => signature)).size, 1);
  const { amount, credits, pricePerCredit } = seen[0]!;
  assert.deepEqual([amount, credits, pricePerCredit], ["2000000", "2000", "1000"]);
  const several = schemeOf({ deposit: { amount: "2", total: "9" } });
  const ofSeveral: unknown[] = [];
  await Promise.all([1, 2, 3, 4].map(() =>
    payOnce(several, server, (_, { deposit }) => {
      if (deposit) ofSeveral.push((deposit as { signature: string }).signature);
      return lacking();
    })
  ));
  assert.deepEqual([ofSeveral.length, new Set(ofSeveral).size], [4, 1], "each brings the same one");
  now += 601_000;
  const before = seen.length;
  await payOnce(scheme, server, take);
  assert.equal(seen.length, before, "3 USDC in all allow no second one");
  const small = schemeOf({ deposit: { amount: "0.4" } });
  await payOnce(small, server, take);
  assert.equal(seen.length, before, "none that the provider would not relay");
});

Deno.test("the policy leaves what this scheme would not pay to others", async () => {
  const scheme = schemeOf();
  const exact = { ...requirementsOf(offer), scheme: "exact", extra: {} };
  const credits = requirementsOf(offer);
  const foreign = requirementsOf({ ...offer, escrow: addressOf(7) });
  const dear = requirementsOf({ ...offer, pricePerCredit: 1_000_000n });
  assert.deepEqual(scheme.policy(2, [exact, credits]), [credits, exact]);
  assert.deepEqual(scheme.policy(2, [foreign, exact]), [exact]);
  assert.deepEqual(scheme.policy(2, [dear, exact]), [exact]);
  assert.deepEqual(scheme.policy(2, [foreign]), [foreign], "the reason is told when it is paid");
  const server = creditsServer(offer);
  const lacking: Answer = { refused: offer, others: [exact] };
  await payOnce(scheme, server, () => lacking);
  assert.deepEqual(scheme.policy(2, [credits, exact]), [exact], "no credits are left there");
});

Deno.test("a client's spend controls know the USDC of trusted escrows", () => {
  const usdc = { address: addressOf(9), name: "USDC", version: "2" };
  const scheme = schemeOf({ escrows: [{ network: "eip155:31337", escrow: addressOf(8), usdc }] });
  const known = { decimals: 6, symbol: "USDC" };
  const { address } = BASE.usdc;
  assert.deepEqual(scheme.findDefaultAsset(address.toLowerCase(), "eip155:8453"), {
    asset: address,
    ...known,
  });
  assert.equal(scheme.findDefaultAsset(address, "eip155:1"), undefined);
  assert.deepEqual(scheme.findDefaultAsset(usdc.address, "eip155:31337")?.symbol, "USDC");
  assert.equal(scheme.findDefaultAsset(address, "solana:mainnet"), undefined);
});

Deno.test("why a token is none to pay in is told once, and in no words of a server's", () => {
  const told: string[] = [];
  const scheme = schemeOf({ onRefused: (reason) => void told.push(reason) });
  assert.ok(scheme.findDefaultAsset(BASE.usdc.address, "eip155:8453"));
  assert.deepEqual(told, []);
  for (const _ of [1, 2]) scheme.findDefaultAsset(addressOf(7), "eip155:31337");
  assert.match(
    told[0]!,
    /no escrow that you trust holds the token 0x0+7 on chain 31337: .*`escrows`/,
  );
  scheme.findDefaultAsset("\x1b[2J", "eip155:31337");
  assert.equal(told.length, 1);
});
