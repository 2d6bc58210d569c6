/** `call`: curl to a deployment by its provider's name, paying for it when that is asked. */
import { callDeployment, type CallTarget, callUrl, isBelow, placeOf } from "../client/call.ts";
import { parseCurlFlags } from "../client/curl_flags.ts";
import type { WireRequest } from "../client/curl_request.ts";
import { type CurlAnswer, type SendOptions, sendRequest } from "../client/curl_send.ts";
import { openPermitBook } from "../client/permit_book.ts";
import { readAllowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import {
  decodePaymentRequired,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_SIGNATURE_HEADER,
} from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import { missingArgument, usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { callFacts, transferToJson } from "./answer_json.ts";
import { callTarget } from "./call_target.ts";
import { curlInputs, transferAndPrint } from "./curl_output.ts";
import { wayBackLines } from "./funding.ts";
import { unpaidError } from "./funding_advice.ts";
import { depositWish } from "./onboard.ts";
import { creditsText } from "./parties.ts";

export const call = defineCommand({
  usage: "[--pay | --no-pay] NAME/CID[/path][?query]|URL [curl flags]",
  details: [
    "Resolves NAME to the provider's web domain and sends the request there, with curl's own " +
    "flags and curl's own output.",
    "The deployment's owner pays by default. When the provider answers that it does not, and " +
    "this home has an account, the call is made again with a permit of that account for one " +
    "credit; --pay sends it at once, --no-pay never. A permit is signed for the address that " +
    "NAME resolved to and at the price that NAME announces.",
    "--deposit needs USDC in your wallet and no ETH: one signature deposits and allows, and the " +
    "provider sends it. It is only signed when no credits are left. As with --pay you pay, also " +
    "where the owner would.",
  ],
  examples: [
    "call paolo.eth/bafk…/hello?name=Nino",
    "call --deposit 5 paolo.eth/bafk… -d data",
    "call --pay paolo.eth/bafk… -X POST -H 'content-type: text/plain' -d @input.txt -i",
  ],
  options: {
    pay: { type: "boolean", description: "pay with a permit of your own, without being asked" },
    "no-pay": { type: "boolean", description: "never sign a permit" },
    deposit: {
      type: "string",
      value: "USDC",
      description: "when nothing is left, deposit and allow this much, relayed by the provider",
    },
    credits: {
      type: "string",
      value: "N",
      description: "credits to allow with --deposit (default: what it buys)",
    },
    wait: {
      type: "string",
      value: "SECONDS",
      description: "for a provider that does not see a fresh allowance yet (default: 120)",
    },
    "lane-label": {
      type: "string",
      value: "TEXT",
      description: "count on this lane; clients that share an account take one each",
    },
  },
  rawArgs: true,
  async run(context, { options, raw }) {
    const { world, out } = context;
    const laneLabel = options["lane-label"];
    if (raw.length === 0) throw missingArgument("call", call);
    const curl = await parseCurlFlags(raw, curlInputs(world));
    const target = await callTarget(context.home, curl.target);
    const [chain, contracts] = [await context.chain(), await context.contracts()];
    if (target.webDomain !== undefined && options.deposit !== undefined) {
      throw new KhachapuriError("usage", "--deposit needs the provider's name, not a URL", {
        hints: [`if you mean ${target.name}: ${target.name}/${target.cid}`],
      });
    }
    const place = await placeOf(chain, contracts, target, curl.request.isPathAsIs);
    const deployment = callUrl(place.record.webDomain, { ...target, path: "" });
    const paying = {
      pay: options.pay ? "always" as const : await mayPay(context, options["no-pay"]),
      account: () => context.account(),
      isUnverified: curl.transfer.isInsecure,
      ...await paymentOptions(context, target, options),
      ...(laneLabel === undefined ? {} : { laneLabel }),
    };
    const ca = curl.transfer.cacert === null ? null : await readText(curl.transfer.cacert);
    const told = { paid: null as UnsignedPermit | null, hasDeposited: false };
    const exchange = async (request: WireRequest, signal: AbortSignal | null) => {
      const send = (payment: string | null) =>
        sendPaid(request, payment, { ...curl.transfer, ca, signal });
      // A redirect out of the deployment is followed like any other, and never paid for.
      if (!isBelow(request.url, deployment)) return await send(null);
      const at = { ...place, url: request.url };
      const answer = await callDeployment(chain, contracts, at, { ...paying, send });
      const { response, paid, hasDeposited } = answer;
      Object.assign(told, { paid, hasDeposited });
      if (paid && curl.print.isVerbose) {
        out.note(`* permit of ${paid.payer}, at most ${formatUsdc(paid.price)} USDC`);
      }
      return response;
    };
    const { answer } = out.isJson
      ? await transferToJson(out, curl, place.url, exchange, (done) => callFacts(done, told.paid))
      : await transferAndPrint(out, curl, place.url, exchange);
    const required = requirementOf(answer);
    if (options.deposit !== undefined && required === null) {
      for (const line of await depositLines(context, target.name, told)) out.note(line);
    }
    if (required !== null) {
      const [offer] = decodePaymentRequired(required).offers;
      throw await unpaidError(context, target.name, offer, told.paid !== null);
    }
  },
});

/** What became of --deposit, by the chain: the provider could have kept it for later. */
async function depositLines(
  context: CommandContext,
  name: string,
  { paid, hasDeposited }: { paid: UnsignedPermit | null; hasDeposited: boolean },
): Promise<string[]> {
  if (paid === null) return ["nothing was deposited: the call was not paid for by you"];
  if (!hasDeposited) {
    return [`nothing was deposited: credits are left, see khachapuri allowance ${name}`];
  }
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const { credits } = await readAllowance(chain, escrow, paid.payer, paid.provider);
  const stands = credits > 0n
    ? `deposited: ${name} may charge ${creditsText(credits)}`
    : `${name} was given the deposit, and the chain does not show it yet: khachapuri balance`;
  return [stands, ...wayBackLines(name)];
}

async function sendPaid(request: WireRequest, payment: string | null, options: SendOptions) {
  const fields = payment === null
    ? request.fields
    : [...request.fields, [PAYMENT_SIGNATURE_HEADER, payment] as const];
  const answer = await sendRequest({ ...request, fields }, options);
  return { ...answer, headers: new Headers(answer.fields.map(([name, value]) => [name, value])) };
}

/** What a provider asks for in a 402; null for any other answer. */
function requirementOf({ status, fields }: CurlAnswer): string | null {
  const wanted = PAYMENT_REQUIRED_HEADER.toLowerCase();
  const [, value = null] = fields.find(([name]) => name.toLowerCase() === wanted) ?? [];
  return status === 402 ? value : null;
}

/**
 * Without an account in the key file a call is paid with --pay only: nobody shall have to type a
 * key for a call that the owner may be paying for.
 */
async function mayPay(
  context: CommandContext,
  isRefused: boolean,
): Promise<"when asked" | "never"> {
  if (isRefused) return "never";
  const keys = await context.keyFile().catch((error) => {
    if (error instanceof KhachapuriError && error.code === "not_found") return null;
    throw error;
  });
  return keys?.account ? "when asked" : "never";
}

/** What is known of the lanes, how long to wait, what to deposit. */
async function paymentOptions(
  context: CommandContext,
  { name }: CallTarget,
  options: { deposit: string | undefined; credits: string | undefined; wait: string | undefined },
) {
  const { home, out } = context;
  const book = openPermitBook(home);
  const waitMs = secondsOf(options.wait) * 1_000;
  const shared = { book, waitMs, onWait: (what: string) => out.progress(what) };
  if (options.deposit === undefined) {
    if (options.credits === undefined) return shared;
    throw usageError("call", "--credits goes with --deposit USDC");
  }
  return { ...shared, deposit: await depositWish(context, name, options.deposit, options.credits) };
}

/** @throws KhachapuriError `usage` */
function secondsOf(text = "120"): number {
  if (/^[0-9]{1,5}$/.test(text)) return Number(text);
  throw new KhachapuriError("usage", `--wait is not a number of seconds: ${text}`);
}
