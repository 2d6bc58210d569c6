/** A call of a contract's function, before anybody asks it or sends it. */
import type { Abi, Address } from "viem";
import type { RefusalMessages } from "./refusal.ts";

export interface ContractCall {
  address: Address;
  abi: Abi;
  functionName: string;
  args?: readonly unknown[];
  /** Sentences for the custom errors that this call may meet. */
  messages?: RefusalMessages;
}
