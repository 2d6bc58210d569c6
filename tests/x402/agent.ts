/** Agents: stock clients in plain Node with our scheme, and the exact one if they are asked. */
import type { LocalAccount } from "viem";
import { privateKeyOf } from "../../worlds/chain/people.ts";
import type { Market } from "../../worlds/market.ts";
import type { CreditsOptions, LaneReport } from "../../packages/x402-credits/index.d.ts";
import { startNode } from "./stock.ts";

/** What a new agent is to do; goes to it as JSON. */
export interface Errand {
  readonly url: string;
  /** How many calls, and how many of them at a time. */
  readonly calls: number;
  readonly atOnce?: number;
  /** Without what JSON cannot hold. */
  readonly options?: Omit<CreditsOptions, "store" | "epoch" | "now">;
  /** The path of its store. */
  readonly store?: string;
  /** Registers the exact scheme as well. */
  readonly exact?: boolean;
  /** Registers our policy. */
  readonly policy?: boolean;
  readonly spendControls?: object;
}

export interface Answered {
  readonly status: number;
  readonly body: string;
  /** Of the payment that it was answered to. */
  readonly scheme: string | null;
  /** `PAYMENT-RESPONSE`, decoded. */
  readonly paid: { success: boolean; transaction: string; extra?: Record<string, string> } | null;
  /** What the client threw instead. */
  readonly failed: string | null;
}

export interface Outcome {
  readonly answers: Answered[];
  readonly lanes: (Omit<LaneReport, "price" | "signed" | "charged"> & Record<string, string>)[];
  /** Requests that were sent, by the status that they got. */
  readonly statuses: Record<string, number>;
}

const SOURCE = `
import { createInterface } from "node:readline";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { CreditsScheme } from "@khachapuri/x402-credits";
import { fileStore } from "@khachapuri/x402-credits/file";
import { privateKeyToAccount } from "viem/accounts";

async function run({ key, url, calls, atOnce = 1, ...errand }) {
  const account = privateKeyToAccount(key);
  const store = errand.store === undefined ? {} : { store: fileStore(errand.store) };
  const scheme = new CreditsScheme(account, { ...errand.options, ...store });
  const client = new x402Client();
  if (errand.exact) client.register("eip155:*", new ExactEvmScheme(account));
  client.register("eip155:*", scheme);
  if (errand.policy) client.registerPolicy(scheme.policy);
  if (errand.spendControls !== undefined) client.setSpendControls(errand.spendControls);
  const statuses = {};
  const answers = [];
  let left = calls;
  const caller = async () => {
    while (left-- > 0) answers.push(await call(client, url, statuses));
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  return { answers, lanes: await scheme.lanes(), statuses };
}

async function call(client, url, statuses) {
  let scheme = null;
  // What is paid for goes through here, each time that it is sent.
  const heard = async (request) => {
    const header = request.headers.get("PAYMENT-SIGNATURE");
    if (header !== null) scheme = JSON.parse(atob(header)).accepted.scheme;
    const response = await fetch(request);
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    return response;
  };
  try {
    const pay = wrapFetchWithPayment(heard, client);
    const response = await pay(url, { method: "POST", body: "data" });
    const header = response.headers.get("PAYMENT-RESPONSE");
    const paid = header === null ? null : decodePaymentResponseHeader(header);
    return { status: response.status, body: await response.text(), scheme, paid, failed: null };
  } catch (error) {
    return { status: 0, body: "", scheme, paid: null, failed: error.message };
  }
}

const plain = (_, value) => typeof value === "bigint" ? String(value) : value;
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line)), plain) + "\\n");
}
// @x402/fetch leaves the body of an answer that it pays anew unread, which keeps Node alive.
process.exit(0);
`;

/** A process in which agents live, one after the other. */
export interface Agency extends AsyncDisposable {
  /** Sends a new agent of `account`. */
  send(account: LocalAccount, errand: Errand): Promise<Outcome>;
}

export async function openAgency(): Promise<Agency> {
  const node = await startNode(SOURCE);
  return {
    async send(account, errand) {
      const key = privateKeyOf(account as Parameters<typeof privateKeyOf>[0]);
      return JSON.parse(await node.ask(JSON.stringify({ key, ...errand })));
    },
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

/** The market's escrow, as an agent of this chain trusts it. */
export function escrowsOf({ chain, escrow, usdc }: Market): CreditsOptions["escrows"] {
  const network = `eip155:${chain.chainId}` as const;
  return [{ network, escrow, usdc: { address: usdc, name: "USD Coin", version: "2" } }];
}
