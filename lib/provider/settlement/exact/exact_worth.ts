/** Whether a payment is worth the gas that moves it, as of the gas price of some seconds ago. */
import { costOf } from "../gas_worth.ts";
import type { Operator } from "../operator.ts";

/** Gas of one settlement, somewhat more than it takes (`deno task bench payments`, "gas"). */
export const EXACT_GAS = 95_000n;
/** What one takes when nothing is unusual about it. */
export const EXACT_GAS_USUAL = 86_000n;
/** What is told to strangers follows the price of gas this often, ms. */
const PRICE_AGE_MS = 15_000;

export class ExactWorth {
  /** What a settlement cost when it was last asked, USDC base units. */
  #cost: { amount: bigint; at: number } | null = null;

  /** @param coinPrice of one whole coin that gas is paid in, USDC base units */
  constructor(
    private readonly operator: Pick<Operator, "gasPrice">,
    private readonly coinPrice: bigint,
    private readonly now: () => number,
  ) {}

  /**
   * What a settlement costs now, USDC base units.
   * @throws KhachapuriError `chain_unavailable`
   */
  async cost(): Promise<bigint> {
    const { operator, coinPrice, now } = this;
    const price = coinPrice === 0n ? 0n : await operator.gasPrice();
    const amount = costOf(EXACT_GAS, price, coinPrice);
    this.#cost = { amount, at: now() };
    return amount;
  }

  /** @param amount of a payment, USDC base units; false as long as the price of gas is unknown */
  isWorth(amount: bigint): boolean {
    const known = this.#cost;
    // In the background: an offer waits for nobody.
    if (!known || this.now() - known.at >= PRICE_AGE_MS) this.cost().catch(() => {});
    return known !== null && known.amount < amount;
  }
}
