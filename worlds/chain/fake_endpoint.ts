/** An endpoint of a chain in memory: one that tells all at once, or lags, loses and lies. */
import { createPublicClient, custom, defineChain, numberToHex } from "viem";
import type { Chain } from "../../lib/chain/client.ts";
import { createManyReader } from "../../lib/chain/multicall.ts";
import { answer, type Node, type Request, rpcError } from "./fake_rpc.ts";
import { RpcUsage } from "../../lib/chain/rpc_usage.ts";

/** What is wrong with an endpoint; nothing at first. */
export interface Faults {
  /** Its newest block is so many behind the chain's. */
  lag: bigint;
  /** It shows no block above this one, whatever happens. */
  standsAt: bigint | null;
  /** Whether a request gets no answer. */
  loses: (request: Request) => boolean;
  /** Whether an answer is none that one could read. */
  garbles: (request: Request) => boolean;
  /** It knows of no events, in receipts neither. */
  hidesEvents: boolean;
  /** What it says in the place of what is so. */
  lie: (request: Request, truth: unknown) => unknown;
}

export interface FakeEndpoint {
  readonly chain: Chain;
  readonly faults: Faults;
  /** Every request passes here first: throw to fail it, return to answer in its place. */
  intercept: ((request: Request) => Promise<unknown>) | null;
  /** Requests so far; what one `eth_call` reads through Multicall3 is one. */
  readonly requests: number;
}

/** Another view of the chain that `node` is of. */
export function createEndpoint(node: Node, name = "fake"): FakeEndpoint {
  const faults: Faults = {
    lag: 0n,
    standsAt: null,
    loses: () => false,
    garbles: () => false,
    hidesEvents: false,
    lie: (_, truth) => truth,
  };
  const endpoint = { faults, intercept: null as FakeEndpoint["intercept"], requests: 0 };

  /** The newest block that it shows. */
  function top(): bigint {
    const { number } = node.blocks.head;
    const reached = number > faults.lag ? number - faults.lag : 0n;
    return faults.standsAt !== null && faults.standsAt < reached ? faults.standsAt : reached;
  }

  async function request(asked: Request): Promise<unknown> {
    endpoint.requests += 1;
    const instead = await endpoint.intercept?.(asked);
    if (instead !== undefined) return instead;
    if (faults.loses(asked)) throw rpcError("the request was lost");
    const truth = await answer(node, top(), asked);
    if (faults.garbles(asked)) return { garbage: numberToHex(endpoint.requests) };
    return faults.lie(asked, faults.hidesEvents ? withoutEvents(asked, truth) : truth);
  }

  return Object.assign(endpoint, { chain: chainOf(node, name, request) });
}

function withoutEvents({ method }: Request, truth: unknown): unknown {
  if (method === "eth_getLogs") return [];
  if (method === "eth_getTransactionReceipt" && truth) return { ...truth, logs: [] };
  return truth;
}

function chainOf(
  node: Node,
  name: string,
  request: (asked: Request) => Promise<unknown>,
): Chain {
  const { chainId } = node.site;
  const client = createPublicClient({
    chain: defineChain({
      id: chainId,
      name,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [] } },
    }),
    transport: custom({ request }, { retryCount: 0 }),
  });
  const unused = () => Promise.reject(new Error("a provider sends through its operator"));
  return {
    chainId,
    endpoint: name,
    public: client as unknown as Chain["public"],
    send: unused,
    sendData: unused,
    deploy: unused,
    read: async <T>(call: Parameters<Chain["read"]>[0]) => await client.readContract(call) as T,
    readMany: createManyReader({
      // Whether there is a Multicall3 is asked for once: no request worth counting.
      request: (question) =>
        question.method === "eth_getCode"
          ? Promise.resolve(node.hasMulticall ? "0x01" : "0x")
          : client.request(question as never),
      // As a JSON-RPC batch: one request, of which each part is answered by itself.
      callMany: (calls, block) =>
        Promise.all(
          calls.map((call) =>
            client.request({ method: "eth_call", params: [call, block] } as never).then(
              (data) => ({ data }),
              (error) => ({ error }),
            )
          ),
        ),
    }, name),
    heads: () => Promise.resolve([]),
    usage: new RpcUsage(),
    endpoints: () => [{ origin: name, state: "up", disagreements: 0, trouble: null }],
  };
}
