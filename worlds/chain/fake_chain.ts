/**
 * The escrow on a chain in memory: mines at once or when told, by fees and up to a gas limit;
 * forks, forgets, lies and falls silent as a test wants. It answers the JSON-RPC that a provider
 * asks, through a real viem client. That it behaves as the real escrow is what
 * fake_chain_test.ts proves.
 */
import { type Abi, type Address, encodeFunctionData, type Hex, zeroAddress } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Chain } from "../../lib/chain/client.ts";
import { NEVER } from "../../lib/chain/escrow_provider.ts";
import { Blocks, givenSlot, type Mined, nonceSlot, spentSlot } from "./fake_blocks.ts";
import { createEndpoint, type FakeEndpoint, type Faults } from "./fake_endpoint.ts";
import {
  allowanceSlot,
  credit,
  FAKE_ESCROW,
  FAKE_TERMS,
  FAKE_USDC,
  type FakeAllowance,
  type FakeLog,
  type FakeOperator,
  FakeRevert,
  laneSlot,
  logOf,
  operatorSlot,
  upToDate,
  walletSlot,
} from "./fake_escrow.ts";
import { intrinsicGas } from "./fake_gas.ts";
import { FakeEscrow, type Outcome, type Site } from "./fake_messages.ts";
import {
  type Account,
  nextOf,
  objectionTo,
  readTransaction,
  tipOf,
  type Transaction,
} from "./fake_pool.ts";
import { type Node, type Request, rpcError, unsigned } from "./fake_rpc.ts";
import { Draft, type Slot, type Store } from "./fake_state.ts";

export {
  FAKE_ESCROW,
  FAKE_USDC,
  type FakeAllowance,
  type FakeEndpoint,
  FakeRevert,
  rpcError,
  type Transaction,
};

export interface FakeChainOptions extends Partial<Site> {
  /** Gas that fits into a block. */
  blockGas?: bigint;
  /** Whether everybody may settle of whom the provider has said nothing; so by default. */
  isOpen?: boolean;
  hasMulticall?: boolean;
}

export class FakeChain implements Node {
  readonly provider: Address;
  readonly site: Site;
  readonly blocks: Blocks;
  readonly escrow: FakeEscrow;
  /** What has arrived and is not mined, with what it has replaced. */
  readonly mempool: Transaction[] = [];
  readonly blockGas: bigint;
  readonly hasMulticall: boolean;
  /** The chain's clock, Unix seconds; a block has its time. */
  now = 1n;
  /** Seconds from block to block as `advance` makes them; null: none come by time. */
  blockSeconds: bigint | null = null;
  /** Whether a broadcast transaction is mined at once; else with the next block. */
  isMining = true;
  /** What a unit of gas costs at a time, wei. */
  baseFee: (time: bigint) => bigint = () => 1n;
  tip = 1n;
  /** Wei of everybody who was given no other sum. */
  balance = 10n ** 18n;
  /** What is kept out of blocks for now. */
  delays: (transaction: Transaction) => boolean = () => false;
  readonly #door: FakeEndpoint;
  /** The account of who sent last: whose nonces are meant. */
  #sender: Address | null = null;

  constructor(provider: Address, options: FakeChainOptions = {}) {
    const { chainId = 31_337, escrow = FAKE_ESCROW, blockGas = 30_000_000n } = options;
    this.provider = provider;
    this.site = { chainId, escrow };
    this.escrow = new FakeEscrow(this.site);
    this.blockGas = blockGas;
    this.hasMulticall = options.hasMulticall ?? true;
    const all = { expiry: NEVER, dailyCap: 0n, spent: 0n, day: 0n };
    this.blocks = new Blocks((draft) => {
      if (options.isOpen ?? true) draft.set(operatorSlot(provider, zeroAddress), all);
    });
    this.#door = createEndpoint(this);
  }

  get chain(): Chain {
    return this.#door.chain;
  }

  /** Every request passes here first: throw to fail it, return to answer in its place. */
  get intercept(): FakeEndpoint["intercept"] {
    return this.#door.intercept;
  }

  set intercept(intercept: ((request: Request) => Promise<unknown>) | null) {
    this.#door.intercept = intercept;
  }

  /** What is wrong with the endpoint of `chain`. */
  get faults(): Faults {
    return this.#door.faults;
  }

  /** Requests to `chain` so far. */
  get requests(): number {
    return this.#door.requests;
  }

  /** Another view of the same chain, with faults of its own. */
  endpoint(name: string): FakeEndpoint {
    return createEndpoint(this, name);
  }

  pendingTime(): bigint {
    const { timestamp } = this.blocks.head;
    return this.now > timestamp ? this.now : timestamp;
  }

  /* WHAT STANDS ON THE CHAIN */

  /** As a block would have it now. */
  allowanceOf(payer: Address): FakeAllowance {
    return upToDate(this.#read(allowanceSlot(this.#pair(payer))), this.pendingTime());
  }

  consumed(payer: Address, lane: Hex): bigint {
    return this.#read(laneSlot(this.#pair(payer), lane)).consumed;
  }

  /** USDC base units charged on the lane. */
  paid(payer: Address, lane: Hex): bigint {
    return this.#read(laneSlot(this.#pair(payer), lane)).paid;
  }

  /** Mined transactions of an account, of who sent last by default. */
  nonce(account = this.#sender): number {
    return account === null ? 0 : this.#read(nonceSlot(account));
  }

  /** Wei. */
  coinOf(account: Address): bigint {
    return this.coinIn(this.blocks.state(), account);
  }

  /** Wei that it has paid for gas. */
  spentBy(account: Address): bigint {
    return this.#read(spentSlot(account));
  }

  coinIn(state: Store, account: Address): bigint {
    return (state.get(givenSlot(account)) ?? this.balance) - state.get(spentSlot(account));
  }

  height(): bigint {
    return this.blocks.head.number;
  }

  /** Every transaction that was mined, oldest first. */
  mined(): Mined[] {
    return this.blocks.list.flatMap(({ mined }) => mined);
  }

  /* WHAT PEOPLE DO */

  /**
   * Whoever it is calls the escrow, in a block of its own, and pays for no gas.
   * @throws FakeRevert and there is no such block
   */
  async act(from: Address, functionName: string, args: readonly unknown[]): Promise<Outcome> {
    const data = encodeFunctionData({ abi: escrowAbi as Abi, functionName, args });
    const message = { from, to: this.site.escrow, data, time: this.pendingTime() };
    await this.escrow.prepare(message);
    const draft = new Draft(this.blocks.state());
    const outcome = this.escrow.run(draft, message);
    this.#close(draft, outcome.logs);
    return outcome;
  }

  /** The payer's allowance is this from now on, whatever it was. */
  allow(payer: Address, pricePerCredit: bigint, credits: bigint, signer = zeroAddress): void {
    const now = { pricePerCredit, credits, thawingCredits: 0n, thawEnd: 0n, signer };
    this.#change("Allowed", payer, now, { pricePerCredit, credits, signer });
  }

  /** Gives notice; what thaws may be reclaimed a thawing period later. */
  revoke(payer: Address, credits: bigint): void {
    const held = this.allowanceOf(payer);
    const thawingCredits = credits < held.credits ? credits : held.credits;
    const thawEnd = this.pendingTime() + FAKE_TERMS.thawingPeriodSeconds;
    this.#change("RevokeStarted", payer, { thawingCredits, thawEnd }, { thawingCredits, thawEnd });
  }

  /** What thaws has gone, though its time may not have come. */
  reclaim(payer: Address): void {
    const { credits, thawingCredits, pricePerCredit } = this.allowanceOf(payer);
    const amount = thawingCredits * pricePerCredit;
    const left = { credits: credits - thawingCredits, thawingCredits: 0n, thawEnd: 0n };
    this.#change("Reclaimed", payer, left, { credits: thawingCredits, amount });
  }

  /** The payer's permits of the epoch in force are void from `epochEnd` on, Unix seconds. */
  bumpEpoch(payer: Address, epochEnd: bigint): void {
    const { epoch } = this.allowanceOf(payer);
    this.#change("EpochBumped", payer, { epoch, epochEnd }, { epoch: epoch + 1, epochEnd });
  }

  /** What everybody may settle who was not named. */
  limitOperator(operator: FakeOperator): void {
    const limits = { ...operator, day: this.pendingTime() / 86_400n };
    this.#append((draft) => draft.set(operatorSlot(this.provider, zeroAddress), limits));
  }

  /** A payer's free balance grows, USDC base units. */
  fund(payer: Address, amount: bigint): void {
    this.#append((draft) => credit(draft, payer, amount));
  }

  /** USDC in somebody's wallet, base units. */
  mint(owner: Address, amount: bigint): void {
    this.#append((draft) => draft.set(walletSlot(owner), amount));
  }

  /** An account has so many wei from now on. */
  setCoin(account: Address, coin: bigint): void {
    this.#append((draft) => draft.set(givenSlot(account), coin + draft.get(spentSlot(account))));
  }

  /* BLOCKS */

  /** Mines what is ready as far as it fits, the dearest first; one block, if an empty one. */
  mine(): Promise<void> {
    this.#build();
    return Promise.resolve();
  }

  /** The clock moves on, and with it come the blocks of that time. */
  advance(seconds: bigint): void {
    const end = this.now + seconds;
    for (; this.blockSeconds !== null && this.now + this.blockSeconds <= end;) {
      this.now += this.blockSeconds;
      this.#build();
    }
    this.now = end;
  }

  /** A foreign wallet with the operator's key uses a nonce. */
  stealNonce(account = this.#sender): void {
    if (account === null) throw new Error("nobody has sent anything");
    this.#append((draft) => draft.set(nonceSlot(account), draft.get(nonceSlot(account)) + 1));
  }

  /** The last `depth` blocks never were; what was signed in them is mined again or lost. */
  async reorganise(depth: number, keepsTransactions: boolean): Promise<void> {
    const height = this.blocks.list.length;
    const undone = this.blocks.cut(depth);
    this.#append(() => {});
    if (keepsTransactions) {
      const lost = undone.flatMap(({ mined }) => mined.map(({ transaction }) => transaction));
      this.mempool.push(...lost.filter(({ raw }) => raw !== "0x"));
      await this.mineReady();
    }
    while (this.blocks.list.length <= height) this.#append(() => {});
  }

  /** Mines block upon block until nothing is ready. */
  mineReady(): Promise<void> {
    while (this.#next(this.blocks.state(), this.blockGas) !== null) this.#build();
    return Promise.resolve();
  }

  async arrive(raw: Hex): Promise<Hex> {
    const transaction = await readTransaction(raw);
    await this.escrow.prepare(transaction);
    this.#sender = transaction.from;
    const limits = { blockGas: this.blockGas, intrinsic: intrinsicGas(transaction.data) };
    const account = this.#accountIn(this.blocks.state())(transaction.from);
    const objection = objectionTo(transaction, this.mempool, account, limits);
    if (objection !== null) throw rpcError(objection);
    this.mempool.push(transaction);
    if (this.isMining) await this.mineReady();
    return transaction.hash;
  }

  #build(): void {
    const mined: Mined[] = [];
    const block = new Draft(this.blocks.state());
    let gasLeft = this.blockGas;
    for (let next = this.#next(block, gasLeft); next; next = this.#next(block, gasLeft)) {
      mined.push(this.#execute(block, next));
      gasLeft -= mined.at(-1)!.gasUsed;
    }
    this.blocks.append(block, this.#header(), mined);
    const kept = this.mempool.filter(({ from, nonce }) => nonce >= this.nonce(from));
    this.mempool.splice(0, Infinity, ...kept);
  }

  #next(state: Store, gasLeft: bigint): Transaction | null {
    const held = this.mempool.filter((transaction) => !this.delays(transaction));
    return nextOf(held, this.#accountIn(state), { baseFee: this.#header().baseFee, gasLeft });
  }

  /** It pays for its gas, whatever comes of it. */
  #execute(block: Draft, transaction: Transaction): Mined {
    const { from, to, data, gas, nonce } = transaction;
    const { baseFee } = this.#header();
    const price = baseFee + tipOf(transaction, baseFee);
    const draft = new Draft(block);
    let [logs, gasUsed]: [FakeLog[] | null, bigint] = [null, gas];
    try {
      const outcome = this.escrow.run(draft, { from, to, data, time: this.pendingTime() });
      if (outcome.gas <= gas) [logs, gasUsed] = [outcome.logs, outcome.gas];
    } catch (error) {
      if (!(error instanceof FakeRevert)) throw error;
      const needed = intrinsicGas(data) + 10_000n;
      gasUsed = needed < gas ? needed : gas;
    }
    if (logs !== null) block.commit(draft);
    block.set(nonceSlot(from), nonce + 1);
    block.set(spentSlot(from), block.get(spentSlot(from)) + gasUsed * price);
    return { transaction, status: logs ? "0x1" : "0x0", gasUsed, price, logs: logs ?? [] };
  }

  /** A block with nothing in it but what `work` writes, and says in its logs. */
  #append(work: (draft: Draft) => FakeLog[] | void): void {
    const draft = new Draft(this.blocks.state());
    const logs = work(draft) ?? [];
    this.#close(draft, logs);
  }

  #close(draft: Draft, logs: FakeLog[]): void {
    const transaction = unsigned(zeroAddress, this.site.escrow, this.blocks.list.length);
    const mined: Mined = { transaction, status: "0x1", gasUsed: 0n, price: 0n, logs };
    this.blocks.append(draft, this.#header(), logs.length > 0 ? [mined] : []);
  }

  #change(
    eventName: string,
    payer: Address,
    change: Partial<FakeAllowance>,
    told: Record<string, unknown>,
  ): void {
    const pair = this.#pair(payer);
    const held = upToDate(this.#read(allowanceSlot(pair)), this.pendingTime());
    this.#append((draft) => {
      draft.set(allowanceSlot(pair), { ...held, ...change });
      return [logOf(eventName, { ...pair, ...told })];
    });
  }

  #header(): { time: bigint; baseFee: bigint } {
    const time = this.pendingTime();
    return { time, baseFee: this.baseFee(time) };
  }

  #pair(payer: Address) {
    return { payer, provider: this.provider };
  }

  #read<T>(slot: Slot<T>): T {
    return this.blocks.state().get(slot);
  }

  #accountIn(state: Store) {
    return (address: Address): Account => ({
      nonce: state.get(nonceSlot(address)),
      coin: this.coinIn(state, address),
    });
  }
}

export function fakeChain(provider: Address, options: FakeChainOptions = {}): FakeChain {
  return new FakeChain(provider, options);
}
