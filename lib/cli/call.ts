/** `call`: curl to a deployment by its provider's name, paying for it when that is asked. */
import { callDeployment, type CallTarget, callUrl, isBelow, placeOf } from "../client/call.ts";
import { parseCurlFlags } from "../client/curl_flags.ts";
import type { WireRequest } from "../client/curl_request.ts";
import { type CurlAnswer, type SendOptions, sendRequest } from "../client/curl_send.ts";
import { openPermitBook } from "../client/permit_book.ts";
import { readAllowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { readText } from "../files.ts";
import {
  decodePaymentRequired,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_SIGNATURE_HEADER,
} from "../payment_header.ts";
import { parseServerTiming, SERVER_TIMING_HEADER, TIMING_HEADER } from "../server_timing.ts";
import type { Transferred } from "../client/curl_transfer.ts";
import { missingArgument, usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { callFacts, transferToJson } from "./answer_json.ts";
import { callTarget } from "./call_target.ts";
import { curlInputs, transferAndPrint } from "./curl_output.ts";
import { wayBackLines } from "./funding.ts";
import { unpaidError } from "./funding_advice.ts";
import { depositWish } from "./onboard.ts";
import { PaidRun } from "./paid_run.ts";
import { creditsOf } from "./parties.ts";

export const call = defineCommand({
  usage: "[--pay | --no-pay] PROVIDER/CID|PROVIDER/NAME|URL|LABEL[/path][?query] [curl flags]",
  details: [
    "Resolves PROVIDER to its web domain and sends the request there, with curl's own flags and " +
    "curl's own output. LABEL is a deployment of yours, by its name or its folder.",
    "NAME is of the deployment: a label of the provider's register, a name of ENS or a domain. " +
    "What it leads to is asked first, and told; that deployment is called, and paid for, by its " +
    "cid, also if the name moves meanwhile. A URL may have either, as deploy printed it.",
    "The deployment's owner pays by default. When the provider answers that it does not, and " +
    "this home has an account, the call is made again with a permit of that account for one " +
    "credit; --pay sends it at once, --no-pay never. A permit is signed for the address that " +
    "PROVIDER resolved to and at the price that it announces.",
    "A run that lasts longer than one credit takes the next, as many as its deployment and " +
    "--credits allow. Without --credits it is ended when the first one's time is over.",
    "--deposit needs USDC in your wallet and no ETH: one signature deposits and allows, and the " +
    "provider sends it. It is only signed when fewer credits are left than the run may take. As " +
    "with --pay you pay, also where the owner would.",
  ],
  examples: [
    "call paolo.eth/bafk…/hello?name=Nino",
    "call --pay paolo.eth/blog/hello",
    "call --deposit 5 paolo.eth/bafk… -d data",
    "call --pay --credits 40 -N paolo.eth/bafk…/events",
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
      description: "with --pay, credits that the run may take (default: 1)",
    },
    allow: {
      type: "string",
      value: "N",
      description: "credits to allow with --deposit (default: what it buys)",
    },
    wait: {
      type: "string",
      value: "SECONDS",
      description: "for a provider that does not see a fresh allowance yet (default: 120)",
    },
    timing: {
      type: "boolean",
      description: "pay as with --pay, and say on stderr where the time went",
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
    assertPaying(options);
    const curl = await parseCurlFlags(raw, curlInputs(world));
    const target = await callTarget(context, curl.target);
    const [chain, contracts] = [await context.chain(), await context.contracts()];
    if (target.webDomain !== undefined && options.deposit !== undefined) {
      throw new KhachapuriError("usage", "--deposit needs the provider's name, not a URL", {
        hints: [`if you mean ${target.name}: ${target.name}/${target.cid}`],
      });
    }
    const place = await placeOf(chain, contracts, target, curl.request.isPathAsIs);
    const deployment = callUrl(place.record.webDomain, { ...target, path: "" });
    const paying = {
      pay: options.pay || options.timing
        ? "always" as const
        : await mayPay(context, options["no-pay"]),
      account: () => context.account(),
      isUnverified: curl.transfer.isInsecure,
      ...await paymentOptions(context, target, options),
      ...(laneLabel === undefined ? {} : { laneLabel }),
    };
    const ca = curl.transfer.cacert === null ? null : await readText(curl.transfer.cacert);
    const { chainId } = chain;
    const { escrow } = contracts;
    const { webDomain } = place.record;
    const { book, credits: asked } = paying;
    const run = new PaidRun({ chainId, escrow, webDomain, asked, book });
    const exchange = async (request: WireRequest, signal: AbortSignal | null) => {
      const send = (payment: string | null) =>
        sendPaid(request, payment, options.timing, { ...curl.transfer, ca, signal });
      // A redirect out of the deployment is followed like any other, and never paid for.
      if (!isBelow(request.url, deployment)) return await send(null);
      const at = { ...place, url: request.url };
      const answer = await callDeployment(chain, contracts, at, { ...paying, send });
      run.note(answer);
      const { response, paid } = answer;
      if (paid && curl.print.isVerbose) {
        out.note(`* permit of ${paid.payer}, at most ${formatUsdc(paid.price)} USDC`);
      }
      return response;
    };
    const facts = async (done: Transferred) => callFacts(done, run.permit, await run.cost());
    const transferring = out.isJson
      ? transferToJson(out, curl, place.url, exchange, facts)
      : transferAndPrint(out, curl, place.url, exchange);
    const { answer } = await transferring.catch(async (error) => {
      throw await run.cutBy(error);
    }).finally(async () => {
      for (const line of await run.lines()) out.note(line);
    });
    const required = requirementOf(answer);
    if (options.timing && required === null) out.note(timingLine(answer));
    if (options.deposit !== undefined && required === null) {
      for (const line of await depositLines(context, target.name, run)) out.note(line);
    }
    if (required !== null) {
      const [offer] = decodePaymentRequired(required).offers;
      throw await unpaidError(context, target.name, offer, {
        credits: asked,
        isTried: run.permit !== null,
      });
    }
  },
});

/** @throws KhachapuriError `usage` for flags of who pays, where nobody says that it does */
function assertPaying(
  options: Record<"pay" | "no-pay" | "timing", boolean> & Record<"credits" | "deposit", unknown>,
): void {
  if (options.timing && options["no-pay"]) {
    throw usageError("call", "--timing is told to who pays, and --no-pay never does");
  }
  const isPaying = options.pay || options.timing || options.deposit !== undefined;
  if (options.credits !== undefined && (options["no-pay"] || !isPaying)) {
    throw usageError("call", "--credits says how many you pay for: it goes with --pay");
  }
}

/** What became of --deposit, by the chain: the provider could have kept it for later. */
async function depositLines(
  context: CommandContext,
  name: string,
  { permit: paid, hasDeposited }: PaidRun,
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

async function sendPaid(
  request: WireRequest,
  payment: string | null,
  isTimed: boolean,
  options: SendOptions,
) {
  const timing = isTimed ? [[TIMING_HEADER, "1"] as const] : [];
  const fields = payment === null
    ? request.fields
    : [...request.fields, [PAYMENT_SIGNATURE_HEADER, payment] as const, ...timing];
  const answer = await sendRequest({ ...request, fields }, options);
  return { ...answer, headers: new Headers(answer.fields.map(([name, value]) => [name, value])) };
}

/** Where the time went; a program's own metrics stand in fields before the provider's. */
function timingLine({ fields }: CurlAnswer): string {
  const wanted = SERVER_TIMING_HEADER.toLowerCase();
  const [, field = ""] = fields.findLast(([name]) => name.toLowerCase() === wanted) ?? [];
  const metrics = parseServerTiming(field).map(({ name, ms, description }) =>
    `${name} ${ms} ms${description === undefined ? "" : ` (${description})`}`
  );
  return metrics.length > 0
    ? `time: ${metrics.join(", ")}`
    : "time: not told, as nothing ran for this payment";
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

/** What is known of the lanes, what the run may take, how long to wait, what to deposit. */
async function paymentOptions(
  context: CommandContext,
  { name }: CallTarget,
  options: Readonly<Record<"deposit" | "allow" | "credits" | "wait", string | undefined>>,
) {
  const { home, out } = context;
  const book = openPermitBook(home);
  const waitMs = secondsOf(options.wait) * 1_000;
  const credits = creditsOf(options.credits ?? "1");
  const shared = { book, credits, waitMs, onWait: (what: string) => out.progress(what) };
  if (options.deposit === undefined) {
    if (options.allow === undefined) return shared;
    throw usageError("call", "--allow goes with --deposit USDC");
  }
  const allow = options.allow === undefined ? null : creditsOf(options.allow, "--allow");
  return { ...shared, deposit: await depositWish(context, name, options.deposit, allow) };
}

/** @throws KhachapuriError `usage` */
function secondsOf(text = "120"): number {
  if (/^[0-9]{1,5}$/.test(text)) return Number(text);
  throw new KhachapuriError("usage", `--wait is not a number of seconds: ${text}`);
}
