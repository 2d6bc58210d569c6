/** The front page for a browser: on one screen what this is, what it costs, how to use it. */
import { formatUsdc } from "../../chain/usdc.ts";
import type { Accept } from "../../payment_required.ts";
import { type Runtimes, runtimesText } from "../../runtime.ts";
import { isExact } from "../../x402_v1.ts";
import { type Document, escaped, factsHtml, linesHtml } from "./document.ts";
import { keepPriceText, type Offering } from "./page.ts";
import { FRONT_SCRIPT } from "./page_scripts.ts";
import { STYLE } from "./page_style.ts";
import { PAY_PATH } from "./pay_path.ts";

const MIB = 1024 * 1024;

/**
 * A whole document of some 7 kB.
 * @param runtimes what programs find here; null: that is not known
 */
export function offeringPage(
  offering: Offering,
  runtimes: Runtimes | null,
  accepts: readonly Accept[],
): Document {
  const { name } = offering;
  return {
    title: name,
    style: STYLE,
    script: FRONT_SCRIPT,
    asks: false,
    body: `<main><h1>${escaped(name)}</h1>
<p>This is a provider of Khachapuri. It runs programs that live on IPFS, each in a sandbox of its
own, and is paid by the call, in USDC, through a contract that nobody owns. There is nothing to
sign up for.</p>
<div class="halves"><div>${waysHtml(offering)}</div>
<div><h2>What is offered</h2>
${factsHtml(facts(offering, runtimes, accepts))}
<p><a href="/terms">The terms</a>, and
<a href="/openapi.json">what can be called here</a>, for programs</p>
${keysHtml(offering)}</div></div></main>`,
  };
}

/** How to call, to pay and to deploy. */
function waysHtml({ name, webDomain, instances }: Offering): string {
  const calls = [`curl '${webDomain}/CID'`, `curl -X POST '${webDomain}/CID' -d data`];
  const payments = [
    "khachapuri deposit 5",
    `khachapuri allow ${name} --credits 1000`,
    `khachapuri call --pay '${name}/CID'`,
  ];
  const deploys = [`khachapuri run DIR /`, `khachapuri deploy DIR --provider ${name}`];
  return `<h2>Call a program</h2>
<p class="dim">CID is a deployment's. Its owner pays, unless you are asked to.</p>
${linesHtml("to-call", "how to call", calls)}
<h2>Pay for your calls</h2>
<p class="dim">Credits that you allow can be charged by this provider alone; what it does not
charge you can take back.</p>
<p><a class="button" href="${PAY_PATH}">Pay with a wallet in this browser</a></p>
<p class="dim">Or by the command line:</p>
${linesHtml("to-pay", "how to pay", payments)}
<h2>Deploy a program</h2>
<p class="dim">A folder with an executable file <code>main</code> that takes curl's arguments and
answers as <code>curl -i</code> prints${
    instances === 0
      ? ""
      : "; or a web server that listens on <code>PORT</code>, with <code>--interface http</code>"
  }.</p>
${linesHtml("to-deploy", "how to deploy", deploys)}`;
}

/** What nobody reads and machines have from the same address in JSON. */
function keysHtml({ recipients, termsHashes }: Offering): string {
  return `<details><summary>Public key and hashes</summary>
${
    factsHtml([
      ["Public key (age)", recipients.join(" ")],
      ["Terms (keccak256)", termsHashes[0] ?? ""],
    ])
  }</details>`;
}

function facts(
  offering: Offering,
  runtimes: Runtimes | null,
  accepts: readonly Accept[],
): [string, string][] {
  const { address, offer, timeoutMs, memoryMb } = offering;
  const [sent, answered] = [offering.requestBytes, offering.responseBytes].map(sizeText);
  return [
    ["Price", `${formatUsdc(offer.pricePerCredit)} USDC a credit${keepPriceText(offering)}`],
    ...withoutCredits(accepts),
    ["A call may take", `one credit: ${timeoutMs / 1000} s, ${memoryMb} MiB of memory`],
    ...longRun(offering),
    ["It may carry", `${sent} there, ${answered} back`],
    ["Programs may call", egressText(offering)],
    ["Web servers", serversText(offering)],
    ...found(runtimes),
    ["Paid on", `chain ${offer.chainId}, escrow ${offer.escrow}`],
    ["Paid to", address],
  ];
}

/** For whoever pays for one call alone; nothing where nobody can. */
function withoutCredits(accepts: readonly Accept[]): [string, string][] {
  const exact = accepts.find(isExact);
  if (!exact) return [];
  return [[
    "Without credits",
    `${formatUsdc(BigInt(exact.amount))} USDC a call, by any x402 client`,
  ]];
}

function egressText({ egress: { hosts } }: Offering): string {
  const texts = hosts.map((host) => host.replace(/^\*:([0-9]+)$/, "any host on port $1"));
  return texts.join(", ") || "nobody: they have no network";
}

/** Of programs that are servers. */
function serversText({ instances, instanceIdleSeconds }: Offering): string {
  if (instances === 0) return "not here: a program is started for each call";
  const idle = `${instanceIdleSeconds} s without a request`;
  return `${instances} instances of all deployments at a time; one ends after ${idle}`;
}

/** What programs find here; nothing where that is not known. */
function found(runtimes: Runtimes | null): [string, string][] {
  if (runtimes === null) return [];
  const rows: [string, string][] = [
    ["Programs find", runtimesText(runtimes.found, "interpreter")],
    ["Tools", runtimesText(runtimes.found, "tool")],
  ];
  return rows.filter(([, text]) => text !== "");
}

function sizeText(bytes: number): string {
  return bytes % MIB === 0 ? `${bytes / MIB} MiB` : `${bytes} bytes`;
}

/** Of what programs may ask for beyond one credit's time; nothing where that is all there is. */
function longRun({ credits, timeoutMs }: Offering): [string, string][] {
  if (credits === 1) return [];
  return [["A long one may take", `${credits} credits, ${timeoutMs / 1000} s each`]];
}
