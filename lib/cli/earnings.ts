/** `operator` and `collect`: what only the provider key may do about its earnings. */
import { isAddressEqual } from "viem";
import {
  collect as collectUsdc,
  earned,
  isOperator,
  NEVER,
  setOperator,
} from "../chain/escrow_provider.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { addressOf, assertProviderKey } from "./parties.ts";

export const operator = defineCommand({
  usage: "add|remove ADDRESS",
  details: [
    "Lets a hot key settle for you, or stops it. An operator charges permits that payers signed; " +
    "it can never collect. Signed by the provider key.",
  ],
  examples: [
    "operator add 0x7099…79C8 --keys provider-key.json",
    "operator remove 0x7099…79C8 --keys provider-key.json",
  ],
  options: {},
  positionals: { min: 2, max: 2 },
  async run(context, { positionals }) {
    const [action, text] = positionals;
    if (action !== "add" && action !== "remove") {
      throw usageError("operator", `"${action}" is neither add nor remove`);
    }
    const address = addressOf(text!, "ADDRESS");
    const approved = action === "add";
    const { chain, escrow, account } = await earningsOf(context);
    if (isAddressEqual(address, account.address)) {
      throw new KhachapuriError("invalid_input", "the provider key may always settle for itself");
    }
    const isChanged = await isOperator(chain, escrow, account.address, address) !== approved;
    if (isChanged) {
      const limits = { expiry: approved ? NEVER : 0n, dailyCap: 0n };
      await setOperator(chain, account, escrow, address, limits);
    }
    context.out.result({ provider: account.address, operator: address, approved, isChanged }, [
      `${address} ${approved ? "may" : "may no longer"} settle for ${account.address}`,
    ]);
  },
});

export const collect = defineCommand({
  usage: "[--to ADDRESS]",
  details: ["Sends all settled earnings out of the escrow. Signed by the provider key."],
  examples: [
    "collect --keys provider-key.json",
    "collect --to 0x7099…79C8 --keys provider-key.json",
  ],
  options: {
    to: { type: "string", value: "ADDRESS", description: "who gets them (default: the provider)" },
  },
  positionals: { min: 0, max: 0 },
  async run(context, { options }) {
    const given = options.to === undefined ? null : addressOf(options.to, "--to");
    const { chain, escrow, account } = await earningsOf(context);
    const to = given ?? account.address;
    const amount = await earned(chain, escrow, account.address);
    if (amount === 0n) {
      throw new KhachapuriError("not_found", `${account.address} has no settled earnings`, {
        hints: ["what is not settled yet: khachapuri settle"],
      });
    }
    context.out.progress(`collecting ${formatUsdc(amount)} USDC`);
    const { transactionHash } = await collectUsdc(chain, account, escrow, to);
    context.out.result({ transaction: transactionHash, amount, to }, [
      `collected ${formatUsdc(amount)} USDC to ${to}`,
    ]);
  },
});

async function earningsOf(context: CommandContext) {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  assertProviderKey(account.address, (await context.config()).provider ?? null);
  return { chain, escrow, account };
}
