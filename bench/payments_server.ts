/**
 * The provider's call handler in a thread of its own, four times: with and without payment, on the
 * real sandbox and on a stand-in that answers at once, so that what payment costs can be seen.
 */
import { join } from "node:path";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connect } from "../lib/chain/client.ts";
import { parseConfig } from "../lib/config.ts";
import type { CreditsOffer } from "../lib/payment_header.ts";
import { silentLog } from "../lib/log.ts";
import { type CallParts, handleCall } from "../lib/provider/call/call.ts";
import type { Credits } from "../lib/provider/money/credits.ts";
import type { Deployment } from "../lib/provider/deployment/deployments.ts";
import { createCounters } from "../lib/provider/metrics/gauges.ts";
import { openIdempotency } from "../lib/provider/call/idempotency.ts";
import { targetOf } from "../lib/provider/http/target.ts";
import { createOwnerCredits } from "../lib/provider/money/owner_credits.ts";
import { openPayments } from "../lib/provider/settlement/payments.ts";
import { createReceipts } from "../lib/provider/money/receipts.ts";
import { openRegistrations } from "../lib/provider/deployment/registrations.ts";
import { createBodyReader } from "../lib/provider/http/request_body.ts";
import type { Sandboxes } from "../lib/provider/program/sandboxes.ts";
import { createSlots } from "../lib/provider/call/slots.ts";
import { createSoon } from "../lib/provider/http/short_timer.ts";
import { createOutput, streamOf } from "../sandbox/output.ts";
import { openSandbox, type Sandbox } from "../sandbox/sandbox.ts";

export interface ServerOrder {
  rpc: string;
  escrow: Address;
  provider: Address;
  operatorKey: Hex;
  price: bigint;
  /** Folder of the books, on the disk to be measured. */
  dir: string;
  programDir: string;
  deployment: Deployment;
  offer: CreditsOffer;
  runUid: number | null;
}

export interface ServerUrls {
  paid: string;
  free: string;
  paidReal: string;
  freeReal: string;
}

/** Payment off: nothing is looked at, nothing written. */
const NO_CREDITS: Credits = {
  countOf: () => Promise.resolve(0n),
  assertPayable: () => Promise.resolve(),
  reserve: () => Promise.resolve(FREE),
  close: () => Promise.resolve(),
};

const NOTHING = { chargedCredits: 0n, cumulativeCredits: 0n, availableCredits: 1_000n };

const FREE = {
  id: 1,
  charge: () => Promise.resolve(),
  release() {},
  standing: () => NOTHING,
};

const ANSWER = new TextEncoder().encode("hello\n");

/** A program that has always just answered. */
const AT_ONCE: Sandbox = {
  run: () => {
    const output = createOutput(() => {}, () => {});
    output.receive(ANSWER);
    output.end(null);
    return Promise.resolve({
      output,
      stdout() {
        return streamOf(output);
      },
      kill() {},
      record: Promise.resolve({
        ...{ exit: 0, signal: null, limit: null, wallMs: 0, cpuMs: 0, peakMemoryBytes: 0 },
        ...{ stdinBytes: 0, stdoutBytes: ANSWER.length, stderrBytes: 0 },
        stderr: new Uint8Array(),
      }),
    });
  },
  close: () => Promise.resolve(),
};

function always(sandbox: Sandbox): Sandboxes {
  return {
    acquire: () => Promise.resolve({ sandbox, release() {} }),
    end: () => Promise.resolve(),
    open: () => 1,
    isOpen: () => true,
    close: () => sandbox.close(),
  };
}

async function openServers(order: ServerOrder): Promise<ServerUrls> {
  const { dir, provider, escrow, price, deployment } = order;
  const chain = await connect(order.rpc);
  const account = privateKeyToAccount(order.operatorKey);
  const config = parseConfig({
    provider: {
      ...{ name: "bench.test", address: provider, webDomain: "http://bench.test" },
      ...{ price: String(price), terms: ["terms"], stateDir: "state", keyFile: "keys" },
      settlement: { intervalSeconds: 3_600, amount: "1000000000000" },
    },
  }, dir).provider!;
  const now = Date.now;
  const payments = await openPayments({
    ...{ chain, escrow, provider: config, account, dir, log: silentLog, now },
  });
  const us = { chainId: chain.chainId, escrow, provider, price };
  const { ledger, credits } = payments;
  const { runs, usage } = createCounters();
  const shared: Omit<CallParts, "credits" | "sandboxes"> = {
    ...{ us, now, log: silentLog, webDomain: new URL("http://bench.test") },
    offering: { offer: order.offer },
    deployments: { get: () => Promise.resolve(deployment) },
    ownerCredits: createOwnerCredits(),
    onboarding: { relay: () => Promise.reject(new Error("nobody deposits here")) },
    idempotency: openIdempotency({
      ...{ path: join(dir, "answers.db"), now },
      wasCharged: (reservation) => ledger.receipted(reservation) !== undefined,
    }),
    readBody: createBodyReader(1_000_000),
    slots: createSlots(1_000, now),
    soon: createSoon(),
    registrations: openRegistrations(join(dir, "deployments.db"), { now }),
    receipts: createReceipts({ secret: new Uint8Array(32), ledger, us, operator: account }),
    ...{ runs, usage },
  };
  const sandbox = await openSandbox({ launcher: "bwrap", runUid: order.runUid }, {
    programDir: order.programDir,
    limits: { timeoutMs: 15_000, memoryMb: 64, stdoutBytes: 1_000_000, stderrBytes: 65_536 },
  });
  const [quick, real] = [always(AT_ONCE), always(sandbox)];
  return {
    paid: serve({ ...shared, credits, sandboxes: quick }),
    free: serve({ ...shared, credits: NO_CREDITS, sandboxes: quick }),
    paidReal: serve({ ...shared, credits, sandboxes: real }),
    freeReal: serve({ ...shared, credits: NO_CREDITS, sandboxes: real }),
  };
}

function serve(parts: CallParts): string {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      const target = targetOf("bench.test", pathname, "bench.test");
      if (target.form === "provider") return new Response(null, { status: 404 });
      try {
        return await handleCall(parts, target, search, request, { address: "127.0.0.1" });
      } catch (error) {
        return new Response(String(error), { status: 500 });
      }
    },
  );
  return `http://127.0.0.1:${server.addr.port}`;
}

self.onmessage = async ({ data }: MessageEvent<ServerOrder>) => {
  self.postMessage(await openServers(data));
};

declare const self: {
  onmessage: (event: MessageEvent<ServerOrder>) => void;
  postMessage(urls: ServerUrls): void;
};
