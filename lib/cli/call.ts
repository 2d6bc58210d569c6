/** `call`: curl to a deployment by its provider's name, paying for it when that is asked. */
import { callDeployment, type CallTarget } from "../client/call.ts";
import { type CurlCommand, parseCurlFlags } from "../client/curl_flags.ts";
import { openPermitBook } from "../client/permit_book.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { decodePaymentRequired, PAYMENT_REQUIRED_HEADER } from "../payment_header.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { printCallJson } from "./answer_json.ts";
import { callTarget } from "./call_target.ts";
import { curlInputs, printResponse } from "./curl_output.ts";
import { wayBackLines } from "./funding.ts";
import { unpaidError } from "./funding_advice.ts";
import { depositWish } from "./onboard.ts";

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
    "provider sends it. It is only signed when no credits are left.",
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
    const curl = await parseCurlFlags(raw, curlInputs(world));
    const target = await callTarget(context.home, curl.target);
    const [chain, contracts] = [await context.chain(), await context.contracts()];
    const signal = curl.maxTimeMs === null ? null : AbortSignal.timeout(curl.maxTimeMs);
    const answer = await callDeployment(chain, contracts, {
      target,
      request: { method: curl.method, headers: curl.headers, body: curl.body },
      pay: options.pay ? "always" : await mayPay(context, options["no-pay"]),
      account: () => context.account(),
      ...await paymentOptions(context, target, options),
      ...(laneLabel === undefined ? {} : { laneLabel }),
      ...(signal ? { signal } : {}),
    }).catch((error) => {
      throw signal?.aborted ? timeoutError(curl) : asKhachapuriError(error);
    });
    if (curl.isVerbose) {
      out.note(`> ${curl.method} ${answer.url}`);
      const { paid } = answer;
      if (paid) out.note(`> permit of ${paid.payer}, at most ${formatUsdc(paid.price)} USDC`);
    }
    const { response } = answer;
    const isPrinted = out.isJson
      ? await printCallJson(out, curl, answer)
      : await printResponse(out, curl, response);
    if (!isPrinted) {
      throw new KhachapuriError("program_failed", `the answer was ${response.status}`);
    }
    if (answer.hasDeposited) { for (const line of wayBackLines(target.name)) out.note(line); }
    const required = response.headers.get(PAYMENT_REQUIRED_HEADER);
    if (response.status === 402 && required !== null) {
      const [offer] = decodePaymentRequired(required).offers;
      throw await unpaidError(context, target.name, offer, answer.paid !== null);
    }
  },
});

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

function timeoutError(curl: CurlCommand): KhachapuriError {
  return new KhachapuriError("program_timeout", `no answer within ${curl.maxTimeMs} ms (-m)`);
}
