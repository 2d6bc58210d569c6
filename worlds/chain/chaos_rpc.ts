/** A JSON-RPC endpoint that fails, stalls, lies and loses, as often as a test wants it to. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Hex, keccak256 } from "viem";
import type { Random } from "../random.ts";

/** How often each fault happens, from 0 to 1; several may meet. */
export interface Faults {
  /** An HTTP 429 or 500, or a JSON-RPC error. */
  error: number;
  /** No answer for `STALL_MS`, then the true one. */
  stall: number;
  /** The connection goes in the middle of the answer. */
  reset: number;
  /** A transaction is accepted and goes nowhere. */
  dropSend: number;
  /** A transaction is forwarded twice. */
  doubleSend: number;
  /** A transaction count that is up to 3 too low or too high. */
  nonceLie: number;
  /** "latest" is up to 3 blocks old. */
  staleBlock: number;
}

export interface ChaosRpc extends AsyncDisposable {
  readonly url: string;
  /** Where the truth is. */
  target: string;
  /** What goes wrong from now on. */
  faults: Faults;
  /** Requests that are answered before the day's quota is used up. */
  quota: number;
  /** Requests so far. */
  readonly requests: () => number;
  /** Requests that met a fault. */
  readonly faulty: () => number;
  /** Resolves when this method is asked for the next time. */
  asked(method: string): Promise<void>;
}

export const NO_FAULTS: Faults = {
  error: 0,
  stall: 0,
  reset: 0,
  dropSend: 0,
  doubleSend: 0,
  nonceLie: 0,
  staleBlock: 0,
};

const STALL_MS = 700;
const OFF_BY_MAX = 3;

interface Call {
  id: number;
  method: string;
  params?: unknown[];
}

/** Every fault at a random rate up to `most`; about half of them not at all. */
export function randomFaults(random: Random, most: number): Faults {
  const rate = () => random.chance(0.5) ? random.next() * most : 0;
  const faults = { ...NO_FAULTS };
  for (const name of Object.keys(faults) as (keyof Faults)[]) faults[name] = rate();
  return faults;
}

/** Starts it without faults; `target` must be set before the first request. */
export async function startChaosRpc(random: Random): Promise<ChaosRpc> {
  let faulty = 0;
  let requests = 0;
  const awaited = new Map<string, PromiseWithResolvers<void>>();

  /** Whether this request meets this fault. */
  function meets(fault: keyof Faults): boolean {
    const isHit = random.chance(rpc.faults[fault]);
    if (isHit) faulty += 1;
    return isHit;
  }

  async function ask(call: Call): Promise<{ result?: unknown }> {
    const response = await fetch(rpc.target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", ...call }),
    });
    return await response.json();
  }

  async function lied(call: Call): Promise<object> {
    const { id, method, params = [] } = call;
    if (method === "eth_sendRawTransaction") {
      if (meets("dropSend")) return { id, result: keccak256(params[0] as Hex) };
      if (meets("doubleSend")) await ask(call);
    }
    if (method === "eth_getTransactionCount" && meets("nonceLie")) {
      const { result } = await ask(call);
      return { id, result: shifted(result as Hex, random.between(-OFF_BY_MAX, OFF_BY_MAX)) };
    }
    const at = params.indexOf("latest");
    if (at >= 0 && meets("staleBlock")) {
      const { result } = await ask({ id, method: "eth_blockNumber", params: [] });
      const old = params.with(at, shifted(result as Hex, -random.between(1, OFF_BY_MAX)));
      return await ask({ id, method, params: old });
    }
    return await ask(call);
  }

  async function answer(call: Call, response: ServerResponse): Promise<void> {
    awaited.get(call.method)?.resolve();
    awaited.delete(call.method);
    requests += 1;
    if (rpc.quota-- <= 0) return refuse(call.id, response);
    if (meets("reset")) return void response.socket?.destroy();
    if (meets("error")) return fail(call.id, response);
    if (meets("stall")) await new Promise((resolve) => setTimeout(resolve, STALL_MS));
    const json = JSON.stringify({ jsonrpc: "2.0", ...await lied(call) });
    response.setHeader("content-type", "application/json");
    response.end(json);
  }

  function refuse(id: number, response: ServerResponse): void {
    response.writeHead(429, { "content-type": "application/json" });
    const error = { code: -32_005, message: "daily request limit exceeded" };
    response.end(JSON.stringify({ jsonrpc: "2.0", id, error }));
  }

  function fail(id: number, response: ServerResponse): void {
    const status = random.pick([200, 429, 500]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(
      JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32_000, message: "chaos" } }),
    );
  }

  const server = createServer((request, response) => {
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = new TextDecoder().decode(new Uint8Array(chunks.flatMap((part) => [...part])));
      answer(JSON.parse(body), response).catch(() => response.socket?.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const rpc: ChaosRpc = {
    url: `http://127.0.0.1:${port}`,
    target: "",
    faults: NO_FAULTS,
    quota: Infinity,
    requests: () => requests,
    faulty: () => faulty,
    asked(method) {
      const next = awaited.get(method) ?? Promise.withResolvers<void>();
      awaited.set(method, next);
      return next.promise;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return rpc;
}

function shifted(value: Hex, by: number): Hex {
  const moved = BigInt(value) + BigInt(by);
  return `0x${(moved > 0n ? moved : 0n).toString(16)}`;
}
