/** `verify-receipt`: whether a receipt is real, and whether it is about these two bodies. */
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import { isAddressEqual } from "viem";
import { blockNumber, blockTime, type Chain } from "../chain/client.ts";
import { wasOperator } from "../chain/escrow_provider.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { readBytes, readText } from "../files.ts";
import { PROVIDER_HTTP_TIMEOUT_MS, PROVIDER_JSON_BYTES_MAX } from "../limits.ts";
import {
  creditsIn,
  type Receipt,
  receiptFromJson,
  receiptToJson,
  recoverReceiptSigner,
} from "../receipt.ts";
import { parseJson } from "../shape.ts";
import { timeText } from "../time_text.ts";
import { whyUnreachable } from "../unreachable.ts";
import { type CommandContext, defineCommand } from "./command.ts";

/** How far the provider's clock may be ahead of the chain's, or its last block be behind, ms. */
const CLOCK_TOLERANCE_MS = 600_000n;

export const verifyReceipt = defineCommand({
  usage: "FILE|URL [--request FILE] [--response FILE]",
  details: [
    "Checks the operator's signature, that the escrow knew the operator as the provider's at the " +
    "block of the signature, that the run was before it, and that chain and escrow are the ones " +
    "configured here. With the bodies that were sent and received: that the receipt is about them.",
    "Exit codes: 0 all holds; 3 malformed, wrongly signed or about another body; 4 not there; 5 " +
    "for another escrow; 6 signed by nobody that the escrow knew then; 7 out of reach.",
  ],
  examples: [
    "verify-receipt https://provider.example/receipts/AAAA…",
    "verify-receipt receipt.json --request body.json --response answer.txt",
  ],
  options: {
    request: { type: "string", value: "FILE", description: "the request body; empty: /dev/null" },
    response: { type: "string", value: "FILE", description: "the response body" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const receipt = await readReceipt(positionals[0]!);
    await assertSigned(context, receipt);
    if (options.request !== undefined) {
      await assertHash("request", receipt.requestHash, options.request);
    }
    if (options.response !== undefined) {
      await assertHash("response", receipt.responseHash, options.response);
    }
    const { outcome, deployment, payer, provider, durationMs } = receipt;
    const startedAt = new Date(Number(receipt.startedAt)).toISOString();
    context.out.result({ valid: true, receipt: receiptToJson(receipt) }, [
      `valid: ${deployment} ${outcome} at ${startedAt} within ${durationMs} ms`,
      `${payer} paid ${provider} ${paidText(receipt)} of lane ${receipt.lane}`,
    ]);
  },
});

/** Of a run of several credits their count: those of other calls on the lane may lie between. */
function paidText(receipt: Receipt): string {
  const { price, cumulative } = receipt;
  const credits = creditsIn(receipt);
  if (credits === 1) return `${formatUsdc(price)} USDC, credit ${cumulative}`;
  const total = formatUsdc(price * BigInt(credits));
  return `${total} USDC, ${credits} credits up to credit ${cumulative}`;
}

async function readReceipt(source: string): Promise<Receipt> {
  const text = /^https?:\/\//.test(source) ? await fetchText(source) : await readText(source);
  return receiptFromJson(parseJson(text, "receipt", "invalid_input"));
}

async function fetchText(url: string): Promise<string> {
  const signal = AbortSignal.timeout(PROVIDER_HTTP_TIMEOUT_MS);
  const response = await fetch(url, { signal }).catch((cause) => {
    const message = `${url} can't be reached: ${whyUnreachable(cause)}`;
    throw new KhachapuriError("provider_unavailable", message, { cause });
  });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > PROVIDER_JSON_BYTES_MAX) break;
    chunks.push(chunk);
  }
  if (response.ok && bytes <= PROVIDER_JSON_BYTES_MAX) return await new Blob(chunks).text();
  const code = response.status === 404 ? "not_found" : "provider_unavailable";
  throw new KhachapuriError(code, `no receipt there: HTTP ${response.status}`);
}

/** @throws KhachapuriError `untrusted_escrow`, `invalid_signature`, `access_denied` */
async function assertSigned(context: CommandContext, receipt: Receipt): Promise<void> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  const { operator, provider } = receipt;
  if (receipt.chainId !== chain.chainId || !isAddressEqual(receipt.escrow, escrow)) {
    const where = `chain ${receipt.chainId}, escrow ${receipt.escrow}`;
    throw new KhachapuriError("untrusted_escrow", `the receipt is for ${where}`, {
      hints: [`trusted here: chain ${chain.chainId}, escrow ${escrow}`],
    });
  }
  const signer = await recoverReceiptSigner(receipt);
  if (signer === null || !isAddressEqual(signer, operator)) {
    throw new KhachapuriError("invalid_signature", `the receipt is not signed by ${operator}`);
  }
  await assertBeforeNext(chain, receipt);
  if (isAddressEqual(operator, provider)) return;
  const { block } = receipt;
  if (await wasOperator(chain, escrow, provider, operator, block)) return;
  throw new KhachapuriError(
    "access_denied",
    `at block ${block} the escrow did not know ${operator} as an operator of ${provider}`,
  );
}

/**
 * A receipt is signed at the newest block, so its run began before the next one came: an operator
 * that was dismissed names no earlier block for runs of today.
 * @throws KhachapuriError `access_denied`, `chain_unavailable`
 */
async function assertBeforeNext(chain: Chain, { block, startedAt }: Receipt): Promise<void> {
  const isNewest = block >= await blockNumber(chain);
  // Where blocks come on demand, as on a chain of one's own, the newest may be old.
  if (isNewest) return void await blockTime(chain, block);
  const nextMs = await blockTime(chain, block + 1n) * 1_000n;
  if (startedAt <= nextMs + CLOCK_TOLERANCE_MS) return;
  const at = (ms: bigint) => timeText(ms / 1_000n);
  throw new KhachapuriError(
    "access_denied",
    `the run of ${at(startedAt)} is later than block ${block + 1n} of ${at(nextMs)}, ` +
      `and the receipt says that it was signed at block ${block}`,
    { hints: ["ask the provider for it again: it signs at the chain's newest block"] },
  );
}

async function assertHash(what: string, expected: Hex, path: string): Promise<void> {
  const found = `0x${createHash("sha256").update(await readBytes(path)).digest("hex")}`;
  if (found === expected) return;
  throw new KhachapuriError("invalid_input", `the receipt is about another ${what} than ${path}`, {
    data: { expected, found },
  });
}
