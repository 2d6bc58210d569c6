/** `operator`: the hot keys that settle for a provider, and what each may settle. */
import { type Address, isAddressEqual } from "viem";
import {
  isOperator,
  NEVER,
  type OperatorLimits,
  readNamedOperators,
  readOperatorLimits,
  setOperator,
} from "../chain/escrow_provider.ts";
import { operatorLimitsText } from "../chain/operator_text.ts";
import { KhachapuriError } from "../errors.ts";
import { timeText } from "../time_text.ts";
import { usageError } from "./arguments.ts";
import { operatorOf } from "./books.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { resetOutbox, showOutbox } from "./operator_outbox.ts";
import { addressOf, deadlineOf, earningsOf, positiveUsdc, providerAddress } from "./parties.ts";

const DAY_SECONDS = 86_400n;
const UINT88_MAX = (1n << 88n) - 1n;

/** An operator as the escrow knows it. */
interface Standing extends OperatorLimits {
  operator: Address;
  /** Whether it may settle now. */
  approved: boolean;
}

interface LimitFlags {
  readonly expires: string | undefined;
  readonly "daily-cap": string | undefined;
}

export const operator = defineCommand({
  usage: "add|remove|show ADDRESS | list | outbox | reset [--expires TIME] [--daily-cap USDC]",
  details: [
    "Lets a hot key settle for you, or stops it. An operator charges permits that payers signed; " +
    "it can never collect or refund. add and remove are signed by the provider key.",
    "Adding it again changes its limits; what is not given stays as it is. What goes beyond the " +
    "cap waits for the next day (UTC), or for the provider key.",
    "list tells each that is named: until when, how much a day, what of that is settled today, and " +
    "whether it is this machine's key. They are found by the escrow's events; where the RPC does " +
    "not search far enough back, it tells that others may be named.",
    "outbox shows the transactions of this machine's operator that are not mined yet, and what they " +
    "wait for. reset forgets them while the provider, or each node of it, is stopped; with " +
    "--cancel it puts an empty transfer in the place of each first, and waits until those are mined.",
  ],
  examples: [
    "operator add 0x7099…79C8 --keys provider-key.json",
    "operator add 0x7099…79C8 --expires 90d --daily-cap 50 --keys provider-key.json",
    "operator remove 0x7099…79C8 --keys provider-key.json",
    "operator list",
    "operator outbox",
    "operator reset --cancel",
  ],
  options: {
    expires: {
      type: "string",
      value: "TIME",
      description: "90d, ISO 8601, Unix seconds or never (default: never)",
    },
    "daily-cap": {
      type: "string",
      value: "USDC",
      description: "the most that it may settle in a day, or none (default: none)",
    },
    cancel: { type: "boolean", description: "reset: empty transfers in their place" },
    yes: { type: "boolean", description: "reset: do not ask" },
  },
  choices: ["add", "remove", "show", "list", "outbox", "reset"],
  positionals: { min: 1, max: 2 },
  async run(context, { positionals, options }) {
    const [action, text] = positionals;
    const isAdding = action === "add";
    if (!isAdding && (options.expires ?? options["daily-cap"]) !== undefined) {
      throw usageError("operator", "--expires and --daily-cap are for add");
    }
    if (action !== "reset" && (options.cancel || options.yes)) {
      throw usageError("operator", "--cancel and --yes are for reset");
    }
    if (text === undefined) {
      if (action === "list") return await list(context);
      if (action === "outbox") return await showOutbox(context);
      if (action === "reset") return await resetOutbox(context, options);
    }
    if (!isAdding && action !== "remove" && action !== "show") {
      const isAlone = action === "list" || action === "outbox" || action === "reset";
      const what = isAlone ? `${action} takes no address` : `"${action}" is no action of it`;
      throw usageError("operator", what);
    }
    if (text === undefined) throw usageError("operator", `${action} which ADDRESS?`);
    const address = addressOf(text, "ADDRESS");
    if (action === "show") await show(context, address);
    else await change(context, address, isAdding ? limitsGiven(options) : null);
  },
});

/** What the flags say, before it is known what they change. */
function limitsGiven(flags: LimitFlags): Partial<OperatorLimits> {
  const { expires, "daily-cap": cap } = flags;
  return {
    ...(expires === undefined ? {} : { expiry: expiryOf(expires) }),
    ...(cap === undefined ? {} : { dailyCap: capOf(cap) }),
  };
}

/** @throws KhachapuriError `usage` */
function expiryOf(text: string): bigint {
  if (text === "never") return NEVER;
  const days = /^([1-9][0-9]{0,4})d$/.exec(text);
  if (days) return BigInt(Math.floor(Date.now() / 1000)) + BigInt(days[1]!) * DAY_SECONDS;
  const expiry = deadlineOf(text, "--expires");
  if (expiry < NEVER) return expiry;
  throw new KhachapuriError("usage", "--expires is too far away: say never");
}

/** @throws KhachapuriError `usage`, `invalid_input` */
function capOf(text: string): bigint {
  if (text === "none") return 0n;
  const cap = positiveUsdc(text);
  if (cap <= UINT88_MAX) return cap;
  throw new KhachapuriError("usage", "--daily-cap is too much: say none");
}

/** @param given limits to set, or null to dismiss it */
async function change(
  context: CommandContext,
  operator: Address,
  given: Partial<OperatorLimits> | null,
): Promise<void> {
  const { chain, escrow, account } = await earningsOf(context);
  const { address: provider } = account;
  if (isAddressEqual(operator, provider)) {
    throw new KhachapuriError("invalid_input", "the provider key may always settle for itself");
  }
  const before = await standingOf(context, provider, operator);
  const wanted = given ? limitsAfter(before, given) : { expiry: 0n, dailyCap: 0n };
  const isChanged = before.expiry !== wanted.expiry || before.dailyCap !== wanted.dailyCap;
  if (isChanged) await setOperator(chain, account, escrow, operator, wanted);
  const after = { ...before, ...wanted, approved: given !== null };
  context.out.result({ provider, ...after, isChanged }, [
    given === null
      ? `${operator} may no longer settle for ${provider}`
      : `${operator} may settle for ${provider}: ${operatorLimitsText(after)}`,
  ]);
}

function limitsAfter(before: Standing, given: Partial<OperatorLimits>) {
  const expiry = given.expiry ?? (before.approved ? before.expiry : NEVER);
  return { expiry, dailyCap: given.dailyCap ?? before.dailyCap };
}

async function show(context: CommandContext, operator: Address): Promise<void> {
  const provider = await providerAddress(context);
  const standing = await standingOf(context, provider, operator);
  context.out.result({ provider, ...standing }, [standingLine(standing)]);
}

async function list(context: CommandContext): Promise<void> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const provider = await providerAddress(context);
  const [named, here] = await Promise.all([
    readNamedOperators(chain, escrow, provider),
    machineKey(context),
  ]);
  // Who is named is known by events alone: this machine's key can be asked for without.
  const known = named ?? (here === null || here === provider ? [] : [here]);
  const all = await Promise.all(known.map((each) => standingOf(context, provider, each)));
  const operators = all
    .filter(({ expiry }) => expiry !== 0n)
    .map((standing) => ({ ...standing, isThisMachine: standing.operator === here }));
  const isComplete = named !== null;
  const none = isComplete ? ["none"] : [];
  const lines = operators.map((each) =>
    `${standingLine(each)}${each.isThisMachine ? "  (the key of this machine)" : ""}`
  );
  context.out.result({ provider, operators, isComplete }, lines.length > 0 ? lines : none);
  if (!isComplete) {
    context.out.note(
      "this RPC does not search events far enough back, so others may be named: " +
        "khachapuri operator show ADDRESS, or give another with --rpc",
    );
  }
}

/** The key that this machine settles or signs with; null where it has none. */
async function machineKey(context: CommandContext): Promise<Address | null> {
  const { provider } = await context.config();
  const own = provider === undefined ? context.account() : operatorOf(context);
  return await own.then(({ address }) => address, (error) => {
    if (error instanceof KhachapuriError) return null;
    throw error;
  });
}

async function standingOf(
  context: CommandContext,
  provider: Address,
  operator: Address,
): Promise<Standing> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const [limits, approved] = await Promise.all([
    readOperatorLimits(chain, escrow, provider, operator),
    isOperator(chain, escrow, provider, operator),
  ]);
  return { operator, approved, ...limits };
}

function standingLine(standing: Standing): string {
  const { operator, approved, expiry } = standing;
  if (approved) return `${operator}  ${operatorLimitsText(standing)}`;
  return `${operator}  ${expiry === 0n ? "may not settle" : `expired ${timeText(expiry)}`}`;
}
