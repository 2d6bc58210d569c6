/** `collect`, `refund`, `collector`: what only the provider key may do with its earnings. */
import { type Address, type Hex, isAddressEqual } from "viem";
import { clientLane } from "../chain/lane.ts";
import {
  collect as collectUsdc,
  type Collector,
  earned,
  readCollector,
  readPaid,
  refund as refundUsdc,
  setCollector,
} from "../chain/escrow_provider.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { formatCid, parseCid } from "../cid.ts";
import { resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { deploymentLane } from "../permit.ts";
import { readKeyFile } from "../spec/keys.ts";
import { timeText } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { cidOf } from "./own_deployment.ts";
import { addressOf, earningsOf, laneOf, positiveUsdc, providerAddress } from "./parties.ts";
import { fetchSpec } from "./spec.ts";

export const collect = defineCommand({
  usage: "[--to ADDRESS]",
  details: [
    "Sends all settled earnings out of the escrow: to your collector where you have named one, " +
    "and nowhere else. Signed by the provider key.",
  ],
  examples: [
    "collect --keys provider-key.json",
    "collect --to 0x7099…79C8 --keys provider-key.json",
  ],
  options: {
    to: {
      type: "string",
      value: "ADDRESS",
      description: "who gets them (default: the collector, else the provider)",
    },
  },
  positionals: { min: 0, max: 0 },
  async run(context, { options }) {
    const given = options.to === undefined ? null : addressOf(options.to, "--to");
    const { chain, escrow, account } = await earningsOf(context);
    const [amount, { current }] = await Promise.all([
      earned(chain, escrow, account.address),
      readCollector(chain, escrow, account.address),
    ]);
    const to = given ?? current ?? account.address;
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

export const refund = defineCommand({
  usage: "PAYER AMOUNT [--lane HASH | --lane-label TEXT | --deployment CID]",
  details: [
    "Gives a payer back what it was charged, out of earnings that you have not collected: into " +
    "its free balance, and no more than was charged on the lane. What its permits count stays. " +
    "Signed by the provider key.",
    "Without a flag it is the lane that a payer's calls count on unless it chose another; for an " +
    "owner name the deployment, whose spec this machine can open.",
  ],
  examples: [
    "refund 0x7099…79C8 0.05 --keys provider-key.json",
    "refund 0x7099…79C8 0.05 --deployment bafkrei… --keys provider-key.json",
  ],
  options: {
    lane: { type: "string", value: "HASH", description: "32 bytes of 0x-hex" },
    "lane-label": { type: "string", value: "TEXT", description: "a lane of that name of PAYER" },
    deployment: { type: "string", value: "CID|URL", description: "the lane of PAYER's deployment" },
  },
  positionals: { min: 2, max: 2 },
  async run(context, { positionals, options }) {
    const payer = addressOf(positionals[0]!, "PAYER");
    const amount = positiveUsdc(positionals[1]!);
    const lane = await laneFor(context, payer, options);
    const { chain, escrow, account } = await earningsOf(context);
    const { address: provider } = account;
    const [paid, earnings] = await Promise.all([
      readPaid(chain, escrow, payer, provider, lane),
      earned(chain, escrow, provider),
    ]);
    assertRefundable(amount, paid, earnings);
    context.out.progress(`refunding ${formatUsdc(amount)} USDC`);
    const { transactionHash } = await refundUsdc(chain, account, escrow, payer, lane, amount);
    const left = paid - amount;
    context.out.result({ transaction: transactionHash, payer, lane, amount, left }, [
      `refunded ${formatUsdc(amount)} USDC to ${payer}'s free balance`,
      `${formatUsdc(left)} USDC of the lane are not refunded`,
    ]);
  },
});

interface LaneFlags {
  readonly lane: string | undefined;
  readonly "lane-label": string | undefined;
  readonly deployment: string | undefined;
}

/** @throws KhachapuriError `usage` for two of the flags; as `fetchSpec` */
async function laneFor(context: CommandContext, payer: Address, flags: LaneFlags): Promise<Hex> {
  const { lane, "lane-label": label, deployment } = flags;
  if ([lane, label, deployment].filter((flag) => flag !== undefined).length > 1) {
    throw new KhachapuriError("usage", "--lane, --lane-label and --deployment: give one");
  }
  if (lane !== undefined) return laneOf(lane);
  if (deployment === undefined) return clientLane(payer, label);
  return await ownerLane(context, payer, deployment);
}

/** The lane of a deployment; its spec is readable to this machine's provider alone. */
async function ownerLane(context: CommandContext, payer: Address, text: string): Promise<Hex> {
  const config = await context.config();
  const { provider } = config;
  const path = provider ? resolveFromHome(config, provider.keyFile) : context.keysPath;
  const { identities = [] } = await readKeyFile(path);
  const cid = parseCid(cidOf(text));
  const spec = await fetchSpec(context, cid, identities);
  if (!spec) {
    throw new KhachapuriError("access_denied", `${path} does not open ${formatCid(cid)}`, {
      hints: ["say the lane: khachapuri ledger --deployment CID shows it"],
    });
  }
  if (isAddressEqual(spec.owner, payer)) return deploymentLane(spec.id);
  throw new KhachapuriError("invalid_input", `the owner of ${formatCid(cid)} is ${spec.owner}`);
}

/** @throws KhachapuriError `chain_refused`, as the escrow would */
function assertRefundable(amount: bigint, paid: bigint, earnings: bigint): void {
  const most = paid < earnings ? paid : earnings;
  if (amount <= most) return;
  const [reason, why] = amount > paid
    ? ["RefundTooHigh", "were charged on the lane and not refunded"]
    : ["InsufficientEarnings", "of your earnings are not collected"];
  const message = `${formatUsdc(most)} USDC can be refunded: no more ${why}`;
  throw new KhachapuriError("chain_refused", message, {
    hints: ["what is not settled yet was not charged: khachapuri settle"],
    data: { reason },
  });
}

export const collector = defineCommand({
  usage: "[ADDRESS|none]",
  details: [
    "Names the one address that your earnings may go to, or with none lets collect send them " +
    "anywhere; alone it says which is in force. Signed by the provider key.",
    "The first one is in force at once. A change takes three days, in which earnings still go to " +
    "the earlier one: if your key is stolen, you see it and collect before the thief can. " +
    "Naming the one in force again takes a change back.",
  ],
  examples: [
    "collector",
    "collector 0x7099…79C8 --keys provider-key.json",
    "collector none --keys provider-key.json",
  ],
  options: {},
  positionals: { min: 0, max: 1 },
  async run(context, { positionals }) {
    const [text] = positionals;
    if (text === undefined) return await showCollector(context);
    const wanted = text === "none" ? null : addressOf(text, "ADDRESS");
    const { chain, escrow, account } = await earningsOf(context);
    const { address: provider } = account;
    const before = await readCollector(chain, escrow, provider);
    const { current, pending } = before;
    // A change to the same again would begin its delay anew.
    const isChanged = wanted !== (pending ? pending.next : current);
    if (isChanged) {
      context.out.progress("naming the collector");
      await setCollector(chain, account, escrow, wanted);
    }
    const after = isChanged ? await readCollector(chain, escrow, provider) : before;
    printCollector(context, provider, after, { isChanged });
  },
});

async function showCollector(context: CommandContext): Promise<void> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const provider = await providerAddress(context);
  printCollector(context, provider, await readCollector(chain, escrow, provider), {});
}

function printCollector(
  { out }: CommandContext,
  provider: Address,
  { current, pending }: Collector,
  rest: { isChanged?: boolean },
): void {
  out.result({ provider, collector: current, pending, ...rest }, [
    `earnings of ${provider} go to ${current ?? "whomever collect names"}`,
    ...(pending
      ? [`from ${timeText(pending.since)} on to ${pending.next ?? "whomever collect names"}`]
      : []),
  ]);
}
