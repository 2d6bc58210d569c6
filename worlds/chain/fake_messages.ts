/** Messages to the escrow in memory: what each does to its state, and what its views answer. */
import {
  type AbiFunction,
  type Address,
  decodeFunctionData,
  encodeFunctionResult,
  type Hex,
  keccak256,
  multicall3Abi,
  stringToHex,
  toFunctionSelector,
  zeroAddress,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import { MULTICALL3 } from "../../lib/chain/multicall.ts";
import { type Permit, recoverPermitSigner } from "../../lib/permit.ts";
import { Charges, permitKey, permitsIn } from "./fake_charges.ts";
import {
  allow,
  allowanceSlot,
  balanceSlot,
  bumpEpoch,
  deposit,
  earnedSlot,
  FAKE_TERMS,
  type FakeLog,
  isSame,
  laneSlot,
  operatorAt,
  reclaim,
  revoke,
  type Sender,
  setOperator,
  upToDate,
} from "./fake_escrow.ts";
import { CONSUME_GAS, intrinsicGas, PAYER_GAS } from "./fake_gas.ts";
import type { Draft, Store } from "./fake_state.ts";

export interface Message extends Sender {
  to: Address | null;
  data: Hex;
}

export interface Outcome {
  logs: FakeLog[];
  gas: bigint;
  output: Hex;
}

/** Where the escrow stands. */
export interface Site {
  chainId: number;
  escrow: Address;
}

type Arguments = readonly unknown[];
interface Decoded {
  item: AbiFunction;
  args: Arguments;
}

const TYPEHASH = keccak256(stringToHex(
  "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore," +
    "address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)",
));

/** Overloaded names have one entry: their arguments tell them apart. */
const BY_SELECTOR = new Map(
  escrowAbi.filter((item) => item.type === "function").map((item) => [
    toFunctionSelector(item as AbiFunction),
    item as AbiFunction,
  ]),
);

function decode(data: Hex): Decoded {
  const item = BY_SELECTOR.get(data.slice(0, 10) as Hex);
  if (!item) throw new Error(`the escrow has no function ${data.slice(0, 10)}`);
  return { item, args: (decodeFunctionData({ abi: [item], data }).args ?? []) as Arguments };
}

export class FakeEscrow {
  readonly #site: Site;
  readonly #signers = new Map<string, Address | null>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** Recovers who signed the permits in `data`, for `run` to know: that takes a while. */
  async prepare({ to, data }: Pick<Message, "to" | "data">): Promise<void> {
    if (!this.#isMeant(to) || data === "0x") return;
    const { item: { name }, args } = decode(data);
    if (name !== "consume") return;
    for (const permit of permitsIn(args)) {
      const key = permitKey(permit);
      if (this.#signers.has(key)) continue;
      this.#signers.set(key, await recoverPermitSigner(this.#site, permit));
    }
  }

  /**
   * What `message` does, once it was prepared.
   * @throws FakeRevert
   */
  run(draft: Draft, message: Message): Outcome {
    const gas = intrinsicGas(message.data);
    if (!this.#isMeant(message.to) || message.data === "0x") return { logs: [], gas, output: "0x" };
    const { item, args } = decode(message.data);
    if (item.name !== "consume") {
      const logs = act(draft, message, item.name, args);
      return { logs, gas: gas + PAYER_GAS, output: "0x" };
    }
    const charges = new Charges(draft, message, (permit) => this.#signerOf(permit));
    const [first, second] = args as [Charge[] | bigint, Permit];
    const isBatch = Array.isArray(first);
    const taken = isBatch ? charges.takeAll(first) : charges.takeOne(first, second);
    return {
      logs: taken.logs,
      gas: gas + CONSUME_GAS + taken.gas,
      output: isBatch ? resultOf(item, taken.amount) : "0x",
    };
  }

  /** What a call answers that changes nothing, or whose changes are dropped with `draft`. */
  call(draft: Draft, message: Message): Hex {
    const { to, data } = message;
    if (to !== null && isSame(to, MULTICALL3)) return this.#callMany(draft, message);
    if (!this.#isMeant(to)) return "0x";
    const { item, args } = decode(data);
    if (item.stateMutability !== "view") return this.run(draft, message).output;
    return resultOf(item, view(draft, message, item.name, args));
  }

  #callMany(draft: Draft, { data, ...message }: Message): Hex {
    const { args: [calls] } = decodeFunctionData({ abi: multicall3Abi, data }) as {
      args: readonly [readonly { target: Address; allowFailure: boolean; callData: Hex }[]];
    };
    const result = calls.map(({ target, allowFailure, callData }) => {
      try {
        const returnData = this.call(draft, { ...message, to: target, data: callData });
        return { success: true, returnData };
      } catch (error) {
        if (!allowFailure) throw error;
        return { success: false, returnData: (error as { data?: Hex }).data ?? "0x" as Hex };
      }
    });
    return encodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", result });
  }

  #isMeant(to: Address | null): boolean {
    return to !== null && isSame(to, this.#site.escrow);
  }

  #signerOf(permit: Permit): Address | null {
    const signer = this.#signers.get(permitKey(permit));
    if (signer === undefined) throw new Error("nobody has recovered who signed a permit");
    return signer;
  }
}

/** What somebody does to allowances and balances. */
function act(draft: Draft, message: Message, name: string, args: Arguments): FakeLog[] {
  const { from: payer, time } = message;
  const effective = time + FAKE_TERMS.thawingPeriodSeconds;
  const pair = { payer, provider: args[0] as Address };
  switch (name) {
    case "allow": {
      const [, pricePerCredit, credits, signer = zeroAddress] = args as WantedArguments;
      return [allow(draft, pair, { pricePerCredit, credits, signer })];
    }
    case "revoke":
      return [revoke(draft, pair, args[1] as bigint, effective)];
    case "bumpEpoch":
      return [bumpEpoch(draft, pair, time, effective)];
    case "reclaim":
      return [reclaim(draft, pair, time)];
    case "setOperator":
      return [setOperator(draft, message, args as readonly [Address, number, bigint])];
    case "deposit":
      return [deposit(draft, payer, args[0] as bigint)];
    case "depositAndAllow": {
      const [owner, amount, , , ...wanted] = args as [
        Address,
        bigint,
        bigint,
        bigint,
        ...unknown[],
      ];
      const [provider, pricePerCredit, credits, signer] = wanted as WantedArguments;
      const terms = { pricePerCredit, credits, signer: signer! };
      return [
        deposit(draft, owner, amount, keccak256(message.data)),
        allow(draft, { payer: owner, provider }, terms),
      ];
    }
  }
  throw new Error(`the escrow in memory knows no ${name}`);
}

type WantedArguments = [Address, bigint, bigint, Address?];

function view(store: Store, { from, time }: Message, name: string, args: Arguments): unknown {
  const [payer, provider = from, lane] = args as [Address, Address?, Hex?];
  const pair = { payer, provider };
  switch (name) {
    case "allowance":
      return upToDate(store.get(allowanceSlot(pair)), time);
    case "consumed":
      return store.get(laneSlot(pair, lane!)).consumed;
    case "paid":
      return store.get(laneSlot(pair, lane!)).paid;
    case "balanceOf":
      return store.get(balanceSlot(payer));
    case "earned":
      return store.get(earnedSlot(payer));
    case "nonces":
      return 0n;
    case "THAWING_PERIOD":
      return FAKE_TERMS.thawingPeriodSeconds;
    case "token":
      return FAKE_TERMS.usdc;
    case "DEPOSIT_AND_ALLOW_TYPEHASH":
      return TYPEHASH;
    case "operatorLimits":
    case "isOperator":
      return operatorView(store, name, { provider: args[0], operator: args[1], time } as Asked);
  }
  throw new Error(`the escrow in memory answers no ${name}`);
}

type Asked = Parameters<typeof operatorAt>[1];

function operatorView(store: Store, name: string, asked: Asked): unknown {
  const { expiry, dailyCap, spent } = operatorAt(store, asked) ??
    { expiry: 0n, dailyCap: 0n, spent: 0n };
  if (name === "operatorLimits") return [Number(expiry), dailyCap, spent];
  return isSame(asked.operator, asked.provider) || asked.time < expiry;
}

function resultOf(item: AbiFunction, result: unknown): Hex {
  return encodeFunctionResult({ abi: [item], functionName: item.name, result } as never);
}
