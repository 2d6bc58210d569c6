/** The run that a `call` paid for: what it took, and what is to be said of it. */
import type { CallAnswer } from "../client/call.ts";
import type { Answered } from "../client/paid_call.ts";
import type { LaneKey } from "../client/permit_book.ts";
import { type RunCost, runCost, type RunQuestion } from "../client/run_receipt.ts";
import { CREDITS_MAX_HEADER } from "../credits_headers.ts";
import { creditsText } from "../credits_text.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import type { EscrowDomain, UnsignedPermit } from "../permit.ts";
import { RECEIPT_HEADER } from "../receipt.ts";

export interface PaidRunOptions extends EscrowDomain {
  webDomain: string;
  /** How many credits were asked for. */
  asked: bigint;
  book: RunQuestion["book"];
}

/** Status of a program that took too long. */
const TIMED_OUT = 504;

export class PaidRun {
  #answer: CallAnswer<Answered> | null = null;
  #cost: Promise<RunCost | KhachapuriError | null> | null = null;
  #isCut = false;
  /** Whether the error that ends the command says what the run took. */
  #isTold = false;

  constructor(private readonly options: PaidRunOptions) {}

  /** The permit that went along; null when the owner paid, or nobody. */
  get permit(): UnsignedPermit | null {
    return this.#answer?.paid ?? null;
  }

  get hasDeposited(): boolean {
    return this.#answer?.hasDeposited ?? false;
  }

  /** The last of several is the one that counts: the others' credits are on the lane before its. */
  note(answer: CallAnswer<Answered>): void {
    this.#answer = answer;
    this.#cost = null;
    this.#isCut = answer.response.status === TIMED_OUT;
  }

  /** The answer broke off with this error: where its run's paid time was over, that is why. */
  async cutBy(error: unknown): Promise<unknown> {
    this.#isCut = true;
    const { code, data } = asKhachapuriError(error);
    if (code !== "provider_unavailable") return error;
    const cost = await this.cost();
    if (cost?.outcome !== "timeout") return error;
    this.#isTold = true;
    const [why] = costLines(cost, this.options.asked, this.#creditsMax());
    return new KhachapuriError("program_timeout", `the answer was cut off: ${why}`, {
      cause: error,
      data,
    });
  }

  /**
   * To be asked when the answer has ended; null where its head said all that there is to say, or
   * more is not known yet.
   */
  async cost(): Promise<RunCost | null> {
    const cost = await this.#costOrWhy();
    return cost instanceof KhachapuriError ? null : cost;
  }

  /** What is to be said beside the answer, one line each; to be asked when it has ended. */
  async lines(): Promise<string[]> {
    if (this.#isTold) return [];
    const cost = await this.#costOrWhy();
    if (cost instanceof KhachapuriError) {
      return [`what the run took is not known yet: ${cost.shortMessage}`];
    }
    return cost === null ? [] : costLines(cost, this.options.asked, this.#creditsMax());
  }

  /** Asked once; a failure says why it is not known yet. */
  #costOrWhy(): Promise<RunCost | KhachapuriError | null> {
    return this.#cost ??= this.#askCost().catch(asKhachapuriError);
  }

  async #askCost(): Promise<RunCost | null> {
    const { webDomain, asked, book } = this.options;
    const { permit } = this;
    const path = this.#answer?.response.headers.get(RECEIPT_HEADER) ?? null;
    if (permit === null || path === null) return null;
    // A run of one credit has no more to say, unless it ended too early and more could be bought.
    if (asked === 1n && (!this.#isCut || (this.#creditsMax() ?? 1) === 1)) return null;
    return await runCost({
      webDomain,
      path,
      key: this.#key(permit),
      signedFor: permit.credits,
      book,
    });
  }

  #key({ payer, provider, lane }: UnsignedPermit): LaneKey {
    const { chainId, escrow } = this.options;
    return { chainId, escrow, payer, provider, lane };
  }

  /** How many the deployment's runs take, as the provider said it; null where it did not. */
  #creditsMax(): number | null {
    const text = this.#answer?.response.headers.get(CREDITS_MAX_HEADER) ?? "";
    return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : null;
  }
}

/**
 * What is said of a run that took, or could have taken, more than one credit.
 * @param creditsMax how many any run of the deployment takes; null where that is not known
 */
export function costLines(
  { credits, outcome }: RunCost,
  asked: bigint,
  creditsMax: number | null,
): string[] {
  const taken = `the run took ${creditsText(BigInt(credits))}`;
  if (outcome !== "timeout") return asked === 1n ? [] : [taken];
  if (BigInt(credits) < asked) return [`${taken}, and no further one was to be had: it was ended`];
  if (creditsMax !== null && asked >= BigInt(creditsMax)) {
    return [`${taken}, all that one of this deployment may take: it was ended`];
  }
  const most = creditsMax === null ? "" : `, ${creditsMax} at most`;
  return [`${taken}, and was ended then: --pay --credits N pays for more${most}`];
}
