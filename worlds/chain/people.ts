/** Who acts on a local chain: accounts that every anvil starts with, by the part they play. */
import { type Hex, toHex } from "viem";
import type { HDAccount } from "viem/accounts";
import { anvilAccount } from "./anvil.ts";

export interface Accounts {
  /** Deploys every contract, mints USDC, owns the root of the names. */
  readonly deployer: HDAccount;
  /** The provider's cold key. */
  readonly provider: HDAccount;
  /** The provider's hot key. */
  readonly operator: HDAccount;
  /** Owns deployments. */
  readonly owner: HDAccount;
  /** Pays for its own calls. */
  readonly payer: HDAccount;
  /** Has ETH and nothing else. */
  readonly stranger: HDAccount;
}

export const ACCOUNTS: Accounts = {
  deployer: anvilAccount(0),
  payer: anvilAccount(1),
  provider: anvilAccount(2),
  operator: anvilAccount(3),
  stranger: anvilAccount(4),
  owner: anvilAccount(5),
};

/** As a key file holds it. */
export function privateKeyOf(account: HDAccount): Hex {
  return toHex(account.getHdKey().privateKey!);
}
