/** `revoke`, `reclaim`, `withdraw`: the payer's way out of the escrow, with ETH or without. */
import { readAllowance, readBalance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { UINT128_MAX } from "../permit.ts";
import { timeText } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { addressOf, creditsOf, type Party, positiveUsdc, providerParty } from "./parties.ts";
import { type Sent, WAY_OUT_OPTIONS, WAY_OUT_USAGE, type WayOut, wayOut } from "./way_out.ts";

const WITHOUT_ETH =
  "With --relay a provider sends it, any that offers to: you sign, it costs you " +
  "its fee out of your free balance and no ETH. With --print or --out you sign, and anybody may " +
  "send it (khachapuri relay). Whoever sends it can change nothing and take no more than you signed.";

/** What a relayer took, as the end of a line. */
const feeText = ({ fee }: Sent) => fee === undefined ? "" : `, for ${formatUsdc(fee)} USDC`;

export const revoke = defineCommand({
  usage: `NAME [--credits N | --permits] ${WAY_OUT_USAGE}`,
  details: [
    "Starts to take credits back from a provider. They thaw, so that it can settle what it has " +
    "served; reclaim moves them to your free balance afterwards. A new allow cancels it.",
    "With --permits it takes back the permits that you signed for the provider, in the same time, " +
    "and leaves the credits: those you sign from then on are good at once.",
    WITHOUT_ETH,
  ],
  examples: [
    "revoke paolo.eth",
    "revoke paolo.eth --credits 500",
    "revoke paolo.eth --permits",
    "revoke paolo.eth --relay paolo.eth",
    "revoke paolo.eth --out revoke.json --fee-max 0.02",
  ],
  options: {
    credits: { type: "string", value: "N", description: "how many (default: all)" },
    permits: { type: "boolean", description: "the permits, and no credits" },
    ...WAY_OUT_OPTIONS,
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { permits } = options;
    if (permits && options.credits !== undefined) {
      throw new KhachapuriError("usage", "--permits takes no credits back: give one of the two");
    }
    const credits = options.credits === undefined ? UINT128_MAX : creditsOf(options.credits);
    const way = await wayOut(context, options);
    const party = await providerParty(context, positionals[0]!);
    if (permits) await revokePermits(context, way, party);
    else await revokeCredits(context, way, party, credits);
  },
});

async function revokeCredits(context: CommandContext, way: WayOut, party: Party, credits: bigint) {
  const { chain, contracts: { escrow }, address: provider, name } = party;
  context.out.progress(`revoking ${name}`);
  const sent = await way.leave({ type: "Revoke", provider, credits });
  if (!sent) return;
  const { address: payer } = await context.account();
  const { thawingCredits, thawEnd } = await readAllowance(chain, escrow, payer, provider);
  context.out.result({ ...sent, provider, thawingCredits, thawEnd }, [
    `${creditsText(thawingCredits)} thaw until ${timeText(thawEnd)}${feeText(sent)}`,
    `then: khachapuri reclaim ${name}`,
  ]);
}

async function revokePermits(context: CommandContext, way: WayOut, party: Party) {
  const { chain, contracts: { escrow }, address: provider, name } = party;
  context.out.progress(`taking permits for ${name} back`);
  const sent = await way.leave({ type: "BumpEpoch", provider });
  if (!sent) return;
  const { address: payer } = await context.account();
  const { epoch, epochEnd } = await readAllowance(chain, escrow, payer, provider);
  context.out.result({ ...sent, provider, epoch, epochEnd }, [
    `permits that ${name} has are void from ${timeText(epochEnd)} on${feeText(sent)}`,
    "those you sign now are good",
  ]);
}

export const reclaim = defineCommand({
  usage: `NAME ${WAY_OUT_USAGE}`,
  details: [
    "Moves revoked credits, once they have thawed, back to your free balance.",
    WITHOUT_ETH,
  ],
  examples: ["reclaim paolo.eth", "reclaim paolo.eth --relay https://other.example"],
  options: WAY_OUT_OPTIONS,
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const way = await wayOut(context, options);
    const party = await providerParty(context, positionals[0]!);
    const { chain, contracts: { escrow }, address: provider, name } = party;
    out.progress(`reclaiming from ${name}`);
    const sent = await way.leave({ type: "Reclaim", provider });
    if (!sent) return;
    const free = await readBalance(chain, escrow, (await context.account()).address);
    out.result({ ...sent, provider, free }, [
      `reclaimed from ${name}, free balance ${formatUsdc(free)} USDC${feeText(sent)}`,
    ]);
  },
});

export const withdraw = defineCommand({
  usage: `AMOUNT|all [--to ADDRESS] ${WAY_OUT_USAGE}`,
  details: [
    "Takes USDC out of your free balance, at once. What providers are allowed stays locked.",
    `${WITHOUT_ETH} The fee comes on top of AMOUNT; all leaves it room.`,
  ],
  examples: [
    "withdraw 1.5",
    "withdraw all --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    "withdraw all --relay paolo.eth",
  ],
  options: {
    to: { type: "string", value: "ADDRESS", description: "who gets it (default: you)" },
    ...WAY_OUT_OPTIONS,
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const wanted = positionals[0] === "all" ? null : positiveUsdc(positionals[0]!);
    const given = options.to === undefined ? null : addressOf(options.to, "--to");
    const { out } = context;
    const way = await wayOut(context, options);
    const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
    const { address: payer } = await context.account();
    const amount = wanted ?? allOf(await readBalance(chain, escrow, payer), way);
    const to = given ?? payer;
    out.progress(`withdrawing ${formatUsdc(amount)} USDC`);
    const sent = await way.leave({ type: "Withdraw", amount, to });
    if (!sent) return;
    const free = await readBalance(chain, escrow, payer);
    out.result({ ...sent, amount, to, free }, [
      `withdrew ${formatUsdc(amount)} USDC to ${to}, free balance ${formatUsdc(free)} USDC` +
      feeText(sent),
    ]);
  },
});

/** What a free balance comes to once the fee is paid. */
function allOf(balance: bigint, { fee }: WayOut): bigint {
  if (balance > fee) return balance - fee;
  if (balance === 0n) throw new KhachapuriError("invalid_input", "the free balance is empty");
  const message = `the free balance is ${formatUsdc(balance)} USDC, the fee ${formatUsdc(fee)}`;
  throw new KhachapuriError("invalid_input", message);
}
