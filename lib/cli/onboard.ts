/** `onboard`: from USDC in a wallet without ETH to credits at a provider, with one signature. */
import * as v from "valibot";
import type { ProviderRecord } from "../chain/ens.ts";
import { type Allowance, readAllowance } from "../chain/escrow.ts";
import { formatUsdc, parseUsdc, readUsdcBalance } from "../chain/usdc.ts";
import { fetchDepositMinimum } from "../client/deposit_minimum.ts";
import type { DepositWish } from "../client/paid_call.ts";
import { openPermitBook } from "../client/permit_book.ts";
import { askProvider } from "../client/provider_http.ts";
import { standingDeposit } from "../client/standing_deposit.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX, RELAY_TIMEOUT_MS } from "../limits.ts";
import { depositToJson } from "../deposit_authorization.ts";
import { hexShape, parseJson, parseShape } from "../shape.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { wayBackLines } from "./funding.ts";
import { creditsOf, providerParty } from "./parties.ts";

const answerShape = v.object({ transaction: hexShape(32) });

export const onboard = defineCommand({
  usage: "NAME --amount USDC [--credits N]",
  details: [
    "Deposits USDC into the escrow and allows NAME credits, with one signature and no ETH: the " +
    "provider sends the transaction. What the credits don't lock is your free balance.",
  ],
  examples: ["onboard paolo.eth --amount 5", "onboard paolo.eth --amount 5 --credits 1000"],
  options: {
    amount: { type: "string", value: "USDC", required: true, description: "to deposit" },
    credits: {
      type: "string",
      value: "N",
      description: "to allow (default: what the amount buys)",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { out } = context;
    const { chain, contracts, record, name } = await providerParty(context, positionals[0]!);
    if (!record) throw new KhachapuriError("usage", "onboard needs a provider's name");
    const asked = options.credits === undefined ? null : creditsOf(options.credits);
    const wish = wishFor(record.price, options.amount, asked);
    const { address: provider, price: pricePerCredit, webDomain } = record;
    const { escrow, usdc } = contracts;
    const account = await context.account();
    const wallet = await readUsdcBalance(chain, usdc, account.address);
    if (wallet < wish.amount) {
      const message = `${account.address} holds ${formatUsdc(wallet)} USDC`;
      throw new KhachapuriError("chain_refused", message, {
        hints: [`send it ${formatUsdc(wish.amount - wallet)} USDC; it needs no ETH`],
      });
    }
    assertRelayed(wish, {
      record,
      held: await readAllowance(chain, escrow, account.address, provider),
      minimum: await fetchDepositMinimum(webDomain),
    });
    out.progress(`asking ${name} to relay ${formatUsdc(wish.amount)} USDC`);
    const key = { chainId: chain.chainId, escrow, payer: account.address, provider };
    const book = openPermitBook(context.home);
    const deposit = await standingDeposit(chain, account, {
      key,
      usdc,
      pricePerCredit,
      book,
      ...wish,
    });
    const body = { payer: account.address, deposit: depositToJson(deposit) };
    const transaction = await askToRelay(webDomain, body);
    // Asked of the chain: the provider could name a transaction that deposits nothing.
    const { credits } = await readAllowance(chain, escrow, account.address, provider);
    if (credits === 0n) {
      const message = `${name} relayed the deposit, and the chain does not show it yet`;
      throw new KhachapuriError("chain_unavailable", message, {
        hints: [`transaction ${transaction}`, `khachapuri allowance ${name}`],
      });
    }
    out.result({ transaction, amount: wish.amount, credits, provider }, [
      `deposited ${formatUsdc(wish.amount)} USDC; ${name} may charge ${creditsText(credits)}`,
      ...wayBackLines(name),
    ]);
  },
});

/**
 * What the provider would refuse, before anything is signed.
 * @throws KhachapuriError `payment_required` with the command that it would take
 */
function assertRelayed(
  { amount, credits }: DepositWish,
  { record: { name, price }, held, minimum }: {
    record: Pick<ProviderRecord, "name" | "price">;
    held: Pick<Allowance, "credits" | "pricePerCredit">;
    minimum: bigint | null;
  },
): void {
  if (minimum === null) {
    throw new KhachapuriError("payment_required", `${name} relays no deposits`, {
      hints: ["with ETH: khachapuri deposit USDC", `then: khachapuri allow ${name} --credits N`],
    });
  }
  const locked = held.credits * held.pricePerCredit;
  const added = credits * price - locked < amount ? credits * price - locked : amount;
  if (price === 0n || added >= minimum) return;
  const asked = `${name} relays a deposit that locks at least ${formatUsdc(minimum)} USDC more`;
  const needed = (locked + minimum + price - 1n) / price;
  const enough = larger(amount, needed * price - locked);
  throw new KhachapuriError(
    "payment_required",
    `${asked}, this one locks ${formatUsdc(larger(added, 0n))}`,
    {
      hints: [`khachapuri onboard ${name} --amount ${formatUsdc(enough)} --credits ${needed}`],
    },
  );
}

const larger = (one: bigint, other: bigint) => one > other ? one : other;

async function askToRelay(webDomain: string, body: object): Promise<string> {
  const answer = await askProvider({
    webDomain,
    path: "/onboard",
    body,
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    timeoutMs: RELAY_TIMEOUT_MS,
  });
  const what = "the provider's answer";
  const json = parseJson(new TextDecoder().decode(answer), what, "provider_unavailable");
  return parseShape(answerShape, json, what, "provider_unavailable").transaction;
}

/**
 * What `--deposit` and `--allow` ask of NAME.
 * @throws KhachapuriError `usage`
 */
export async function depositWish(
  context: CommandContext,
  name: string,
  amount: string,
  credits: bigint | null,
): Promise<DepositWish> {
  const { record } = await providerParty(context, name);
  if (record) return wishFor(record.price, amount, credits);
  throw new KhachapuriError("usage", "--deposit needs a provider's name");
}

function wishFor(price: bigint, amountText: string, credits: bigint | null): DepositWish {
  const amount = parseUsdc(amountText);
  if (credits !== null) return { amount, credits };
  const buys = price === 0n ? 0n : amount / price;
  if (buys > 0n) return { amount, credits: buys };
  throw new KhachapuriError("usage", `${amountText} USDC buys no credit at ${formatUsdc(price)}`);
}
