/** `contracts`: where our contracts belong on a chain, and putting them there. */
import { keccak256 } from "viem";
import { codeAt, CREATE2_FACTORY, CREATE2_SALT } from "../chain/create2.ts";
import type { Chain } from "../chain/client.ts";
import { isRegistry, registryAddress } from "../chain/deploy.ts";
import { chainText, shippedOn } from "../chain/deployments.ts";
import { escrowAddress, escrowCode, escrowInitCode } from "../chain/escrow_code.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import {
  standing,
  type TermFlags,
  termsGiven,
  termsKnown,
  termsOf,
  THAWING_SECONDS,
} from "./contract_terms.ts";
import { deploy } from "./contracts_deploy.ts";
import { addressOf } from "./parties.ts";

const OPTIONS = {
  usdc: {
    type: "string",
    value: "ADDRESS",
    description: "the USDC contract (known where we ship)",
  },
  "with-usdc": {
    type: "boolean",
    description: "deploy: put Circle's USDC on a chain of your own first; a million is yours",
  },
  thawing: {
    type: "string",
    value: "SECONDS",
    description: `from revoke to reclaim, an hour to 30 days (default ${THAWING_SECONDS})`,
  },
  chain: { type: "string", value: "ID", description: "address: this chain, without asking it" },
  "root-owner": {
    type: "string",
    value: "ADDRESS",
    description: "whom all names of the Registry belong to (deploy: you)",
  },
  "open-claims": { type: "boolean", description: "deploy: anyone may claim an unowned name" },
  replace: { type: "boolean", description: "deploy: though config.json has another escrow" },
  to: { type: "string", value: "ADDRESS", description: "mint: who gets it (default: you)" },
} as const;

export const contracts = defineCommand({
  usage: "address|deploy|mint AMOUNT [flags]",
  details: [
    "An escrow's address follows from its code, the token and the thawing period: address tells " +
    "it before anybody deployed it, with the hash of its code there.",
    "deploy puts it there, for the gas, whoever you are: nobody owns it. On a chain without ENS " +
    "it also puts a Registry for names there, whose root you own, and what says where those names " +
    "point to. What does not ship with us is " +
    "recorded in config.json. What stands already is left as it is.",
    "Without flags the terms are those of the escrow in use. mint gives out the USDC that deploy " +
    "--with-usdc brought.",
  ],
  examples: [
    "contracts address --chain 8453",
    "contracts deploy --rpc https://sepolia.base.org",
    "contracts deploy --rpc http://127.0.0.1:8545 --with-usdc",
    "contracts mint 100 --to 0x7099…79C8",
  ],
  options: OPTIONS,
  choices: ["address", "deploy", "mint"],
  positionals: { min: 1, max: 2 },
  async run(context, { positionals, options }) {
    const [action, amount] = positionals;
    if (action === "mint") return await mint(context, amount, options.to);
    if (amount !== undefined) throw usageError("contracts", `what is "${amount}"?`);
    if (action === "address") return await tellAddress(context, options);
    if (action === "deploy") return await deploy(context, options);
    throw usageError("contracts", `unknown action "${action}": address, deploy or mint`);
  },
});

interface AddressFlags extends TermFlags {
  chain: string | undefined;
  "root-owner": string | undefined;
}

async function tellAddress(context: CommandContext, options: AddressFlags): Promise<void> {
  const isAsked = options.chain === undefined || context.flags.rpc.length > 0;
  const chain = isAsked ? await context.chain() : null;
  const chainId = chainIdOf(options.chain, chain);
  const { contracts } = await context.config();
  const named = contracts[String(chainId)] ?? {};
  const known = await termsKnown(chainId, chain ? await standing(chain, named) : named, chain);
  const terms = termsOf(chainId, { ...known, ...termsGiven(options) });
  const escrow = escrowAddress(terms);
  const code = escrowCode(terms, { chainId, escrow });
  const owner = options["root-owner"];
  const registry = owner === undefined ? null : registryAddress(addressOf(owner, "--root-owner"));
  const stands = chain && await codeAt(chain, escrow) === code;
  const registryStands = registry && chain && await isRegistry(chain, registry);
  const facts = {
    chainId,
    escrow,
    codeHash: keccak256(code),
    initCodeHash: keccak256(escrowInitCode(terms)),
    usdc: terms.usdc,
    thawingPeriodSeconds: Number(terms.thawingPeriodSeconds),
    factory: CREATE2_FACTORY,
    salt: CREATE2_SALT,
    ...(stands === null ? {} : { stands }),
    ...(registry ? { registry } : {}),
    ...(registryStands === null ? {} : { registryStands }),
  };
  context.out.result(facts, [
    `chain      ${chainText(chainId)}`,
    `escrow     ${escrow}${standsText(stands)}`,
    `code hash  ${facts.codeHash}`,
    `init hash  ${facts.initCodeHash}`,
    `usdc       ${facts.usdc}`,
    `thawing    ${facts.thawingPeriodSeconds} s`,
    `factory    ${facts.factory}, salt ${facts.salt}`,
    ...(registry ? [`registry   ${registry}${standsText(registryStands)}`] : []),
    ...(stands === false ? ["put it there, for the gas: khachapuri contracts deploy"] : []),
  ]);
}

/** Nothing is said of a chain that was not asked. */
function standsText(stands: boolean | null): string {
  if (stands === null) return "";
  return stands ? ", stands" : ", does not stand yet";
}

/** @throws KhachapuriError `usage` for no chain id, or another than the chain that is asked has */
function chainIdOf(text: string | undefined, chain: Chain | null): number {
  if (text === undefined) return chain!.chainId;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) {
    throw usageError("contracts", `--chain is not a chain id: ${text}`);
  }
  if (!chain || chain.chainId === Number(text)) return Number(text);
  throw usageError("contracts", `${chain.endpoint} is chain ${chain.chainId}, not ${text}`);
}

async function mint(
  context: CommandContext,
  text: string | undefined,
  recipient: string | undefined,
): Promise<void> {
  if (text === undefined) throw usageError("contracts", "how much? contracts mint AMOUNT");
  const amount = parseUsdc(text);
  const [chain, { usdc }] = await Promise.all([context.chain(), context.contracts()]);
  const account = await context.account();
  const to = recipient === undefined ? account.address : addressOf(recipient, "--to");
  if (shippedOn(chain.chainId)) {
    throw usageError("contracts", `Circle alone mints USDC on ${chainText(chain.chainId)}`);
  }
  const { mintUsdc } = await import("../chain/circle_usdc.ts");
  await mintUsdc(chain, account, usdc, to, amount);
  context.out.result({ usdc, to, amount }, [`minted ${formatUsdc(amount)} USDC for ${to}`]);
}
