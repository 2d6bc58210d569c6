/** The front page for a browser: no script, nothing loaded from elsewhere. */
import { formatUsdc } from "../../chain/usdc.ts";
import { type Runtimes, runtimesText } from "../../runtime.ts";
import { keepPriceText, type Offering } from "./page.ts";

const MIB = 1024 * 1024;

/** Of our pages: light and dark, readable on a narrow screen. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1d1b18; --dim: #57534c; --paper: #fffdf9; --box: #f4f0e8;
  --link: #8a3d00 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece8e1; --dim: #b3ada3; --paper: #191715; --box: #26231f; --link: #f0a868 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }
h1, dd, pre { overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
dt { font-weight: 600 } dd { margin: 0 0 .6rem; color: var(--dim) }
p { margin: .4rem 0 } pre { background: var(--box); padding: .8rem; white-space: pre-wrap }
a { color: var(--link) } summary { cursor: pointer; font-weight: 600 }`;

/**
 * A whole document of some 4 kB.
 * @param runtimes what programs find here; null: that is not known
 */
export function offeringHtml(offering: Offering, runtimes: Runtimes | null): string {
  const { name, webDomain, recipients, termsHashes } = offering;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(name)}</title>
<style>${PAGE_STYLE}
</style></head>
<body><main><h1>${text(name)}</h1>
<p>This is a provider of Khachapuri. It runs programs that live on IPFS, each in a sandbox of its
own, and is paid by the call, in USDC, through a contract that nobody owns. There is nothing to
sign up for.</p>
<h2>Call a program</h2>
<p>CID is a deployment's. Its owner pays, unless you are asked to.</p>
${lines(`curl '${webDomain}/CID'`, `curl -X POST '${webDomain}/CID' -d data`)}
<h2>Pay for your calls</h2>
<p>Credits that you allow can be charged by this provider alone; what it does not charge you can
take back.</p>
${
    lines(
      "khachapuri deposit 5",
      `khachapuri allow ${name} --credits 1000`,
      `khachapuri call --pay '${name}/CID'`,
    )
  }
<h2>Deploy a program</h2>
<p>A folder with an executable file <code>main</code> that takes curl's arguments and answers as
<code>curl -i</code> prints${
    offering.instances === 0
      ? ""
      : "; or a web server that listens on <code>PORT</code>, with <code>--interface http</code>"
  }.</p>
${lines(`khachapuri run DIR /`, `khachapuri deploy DIR --provider ${name}`)}
<h2>What is offered</h2>
<dl>${facts(offering, runtimes).map(definition).join("")}</dl>
<p><a href="/terms">The terms</a></p>
<details><summary>Public key and hashes</summary>
<dl>${
    definition(["Public key (age)", recipients.join(" ")]) +
    definition(["Terms (keccak256)", termsHashes[0] ?? ""])
  }</dl></details></main></body></html>
`;
}

function facts(offering: Offering, runtimes: Runtimes | null): [string, string][] {
  const { address, offer, timeoutMs, memoryMb } = offering;
  const [sent, answered] = [offering.requestBytes, offering.responseBytes].map(sizeText);
  return [
    ["Price", `${formatUsdc(offer.pricePerCredit)} USDC a credit${keepPriceText(offering)}`],
    ["A call may take", `one credit: ${timeoutMs / 1000} s, ${memoryMb} MiB of memory`],
    ...longRun(offering),
    ["It may carry", `${sent} there, ${answered} back`],
    ["Programs may call", offering.egress.hosts.join(", ") || "nobody: they have no network"],
    ["Web servers", serversText(offering)],
    ...found(runtimes),
    ["Paid on", `chain ${offer.chainId}, escrow ${offer.escrow}`],
    ["Paid to", address],
  ];
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

function definition([head, cell]: [string, string]): string {
  return `<dt>${text(head)}</dt><dd>${text(cell)}</dd>`;
}

/** Lines to paste. */
function lines(...commands: string[]): string {
  return `<pre>${text(commands.join("\n"))}</pre>`;
}

/** A text as HTML has it, in an attribute too. */
export function text(value: string): string {
  return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
