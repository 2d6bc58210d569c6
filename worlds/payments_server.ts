/**
 * A provider in a thread of its own, four times: with and without payment, on the real sandbox and
 * on a stand-in that answers at once, so that what payment costs can be seen. All four are the
 * provider's own parts, with one of them replaced.
 */
import { createOutput, streamOf } from "../sandbox/output.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { readConfig, requireProvider } from "../lib/config.ts";
import { silentLog } from "../lib/log.ts";
import type { RouteParts } from "../lib/provider/door/parts.ts";
import { createRoutes } from "../lib/provider/door/routes.ts";
import { openListener } from "../lib/provider/door/listening.ts";
import { prepareSite } from "../lib/provider/door/prepare.ts";
import { openProvider } from "../lib/provider/door/wiring.ts";
import type { Deployment } from "../lib/provider/deployment/deployment.ts";
import type { Bill, Hold, PaymentScheme } from "../lib/provider/money/scheme.ts";
import { runLimits } from "../lib/provider/program/run_limits.ts";

/** Folder of the configuration; its provider must not be running. */
export interface ServerOrder {
  home: string;
}

export interface ServerUrls {
  paid: string;
  free: string;
  paidReal: string;
  freeReal: string;
}

const FREE_HOLD: Hold = {
  reservation: 1,
  credits: 1,
  isPaid: true,
  started() {},
  extend: () => Promise.resolve(),
  begin: () => Promise.resolve(),
  giveBack() {},
  charge: () => Promise.resolve(),
  release() {},
  notice: () => Promise.resolve([]),
};

function ofOwner({ cid, spec: { owner } }: Deployment): Bill {
  return { source: "owner", payer: owner, cid, scope: "" };
}

/** Payment off: nothing is looked at, nothing written. */
const FREE: PaymentScheme<Bill, null> = {
  provenPayer: () => Promise.resolve(null),
  offer: () => ({ scheme: "free" }),
  read: ofOwner,
  ownersBill: ofOwner,
  prove: () => Promise.resolve(),
  admit: () => Promise.resolve(null),
  hold: () => Promise.resolve(FREE_HOLD),
};

const ANSWER = new TextEncoder().encode("hello\n");

/** A program that has always just answered. */
const AT_ONCE: Sandbox = {
  limits: runLimits({ timeoutMs: 1_000, memoryMb: 64 }),
  run() {
    const output = createOutput(() => {}, () => {});
    output.receive(ANSWER);
    output.end(null);
    return Promise.resolve({
      output,
      stdout: () => streamOf(output),
      kill() {},
      extend() {},
      begun: () => 0,
      record: Promise.resolve({
        exit: 0,
        signal: null,
        limit: null,
        wallMs: 0,
        cpuMs: 0,
        peakMemoryBytes: 0,
        stdinBytes: 0,
        stdoutBytes: ANSWER.length,
        listeningPort: null,
        stderrBytes: 0,
        egress: null,
        stderr: new Uint8Array(),
      }),
    });
  },
  close: () => Promise.resolve(),
};

function free(parts: RouteParts): RouteParts {
  return { ...parts, money: { ...parts.money, schemes: [FREE] } };
}

function quick(parts: RouteParts): RouteParts {
  const sandboxes = {
    acquire: () =>
      Promise.resolve({
        take: () => AT_ONCE,
        fetchedAt: 0,
        isExpelled: () => false,
        release() {},
      }),
    isOpen: () => true,
    isClosed: () => false,
    refusal: () => null,
    open: () => 1,
    servers: () => [],
    stop() {},
    drain() {},
    retireAll() {},
    expel: () => Promise.resolve(),
  };
  return { ...parts, programs: { ...parts.programs, sandboxes } };
}

async function openServers({ home }: ServerOrder): Promise<ServerUrls> {
  const config = await readConfig(home);
  const provider = requireProvider(config);
  const stack = new AsyncDisposableStack();
  const { parts } = await openProvider(
    await prepareSite(config, { log: silentLog, now: Date.now }),
    stack,
  );
  const serve = async (own: RouteParts) =>
    (await openListener(config, provider, createRoutes(own), { log: silentLog, usage: own.wire }))
      .url;
  return {
    paid: await serve(quick(parts)),
    free: await serve(free(quick(parts))),
    paidReal: await serve(parts),
    freeReal: await serve(free(parts)),
  };
}

self.onmessage = async ({ data }: MessageEvent<ServerOrder>) => {
  self.postMessage(await openServers(data));
};

declare const self: {
  onmessage: (event: MessageEvent<ServerOrder>) => void;
  postMessage(urls: ServerUrls): void;
};
