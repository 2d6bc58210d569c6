/**
 * The chain in memory behind a JSON-RPC endpoint on loopback, for what connects by URL. Beside the
 * escrow's books it answers what a provider asks before it serves: its rights, its gas, its name.
 */
import {
  type Address,
  decodeFunctionData,
  domainSeparator,
  encodeFunctionResult,
  getAddress,
  type Hex,
  numberToHex,
  parseAbi,
  zeroAddress,
} from "viem";
import { escrowCode } from "../../lib/chain/escrow_code.ts";
import { NEVER, type OperatorLimits } from "../../lib/chain/escrow_provider.ts";
import { MULTICALL3 } from "../../lib/chain/multicall.ts";
import type { RecordKey } from "../../lib/chain/record.ts";
import { FAKE_ESCROW, type FakeChain, fakeChain } from "./fake_chain.ts";
import { FAKE_TERMS, FAKE_USDC } from "./fake_escrow.ts";

export { FAKE_USDC };

export const FAKE_REGISTRY = getAddress(`0x${"e6".repeat(20)}`);
const RESOLVER = getAddress(`0x${"e7".repeat(20)}`);

/** What the chain says beside the escrow's books; a test may change it between two questions. */
export interface ChainAnswers {
  /** Whether there is a contract at the escrow's address. */
  hasEscrow: boolean;
  /** Whether whoever is asked about may settle for the provider. */
  isOperator: boolean;
  /** Of whoever is asked about. */
  limits: OperatorLimits;
  /** Who gets the provider's earnings, as the escrow says it: zero for nobody. */
  collector: { current: Address; next: Address; since: bigint };
  /** Of everybody, wei. */
  balance: bigint;
  /** Records of every name; null when no name has a resolver. */
  records: { address: Address; texts: Record<RecordKey, string> } | null;
  /** Whether anything is answered at all. */
  isUp: boolean;
}

export interface ServedChain extends AsyncDisposable {
  readonly fake: FakeChain;
  readonly rpc: string;
  readonly answers: ChainAnswers;
}

const abi = parseAbi([
  "function THAWING_PERIOD() view returns (uint256)",
  "function isOperator(address provider, address operator) view returns (bool)",
  "function name() view returns (string)",
  "function version() view returns (string)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function operatorLimits(address provider, address operator) view returns (uint48, uint88, uint88)",
  "function collectorOf(address provider) view returns (address, address, uint64)",
  "function resolver(bytes32 node) view returns (address)",
  "function addr(bytes32 node) view returns (address)",
  "function text(bytes32 node, string key) view returns (string)",
]);

export const GAS_PRICE = 1_000_000_000n;
export const THAWING_SECONDS = FAKE_TERMS.thawingPeriodSeconds;

interface Question {
  method: string;
  params?: readonly unknown[];
}

/** Serves it; disposing ends the endpoint. */
export function serveChain(provider: Address): ServedChain {
  const fake = fakeChain(provider);
  const answers: ChainAnswers = {
    hasEscrow: true,
    isOperator: true,
    limits: { expiry: NEVER, dailyCap: 50_000_000n, spent: 0n },
    collector: { current: zeroAddress, next: zeroAddress, since: 0n },
    balance: 10n ** 18n,
    records: null,
    isUp: true,
  };
  fake.intercept = (question) => Promise.resolve(answerOf(question, answers));
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { id, method, params } = await request.json();
      if (!answers.isUp) return new Response("down", { status: 503 });
      try {
        const question = { method, params } as never;
        const result = await fake.chain.public.request(question);
        return Response.json({ jsonrpc: "2.0", id, result });
      } catch (error) {
        const { code = -32_000, message } = error as { code?: number; message: string };
        return Response.json({ jsonrpc: "2.0", id, error: { code, message } });
      }
    },
  );
  return {
    fake,
    answers,
    rpc: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The answer to what the fake chain does not know; undefined for the rest. */
function answerOf({ method, params = [] }: Question, answers: ChainAnswers): unknown {
  switch (method) {
    case "eth_getCode":
      return codeAt(getAddress(params[0] as Hex), answers);
    case "eth_getBalance":
      return numberToHex(answers.balance);
    case "eth_gasPrice":
      return numberToHex(GAS_PRICE);
    case "eth_call":
      return read((params[0] as { data: Hex }).data, answers);
  }
  return undefined;
}

const CHAIN_ID = 31_337;

function codeAt(address: Address, { hasEscrow }: ChainAnswers): Hex {
  if (address === FAKE_REGISTRY || address === MULTICALL3) return "0x01";
  if (address !== FAKE_ESCROW || !hasEscrow) return "0x";
  return escrowCode(FAKE_TERMS, { chainId: CHAIN_ID, escrow: address });
}

const USDC_DOMAIN = {
  name: "USD Coin",
  version: "2",
  chainId: CHAIN_ID,
  verifyingContract: FAKE_USDC,
};

function read(
  data: Hex,
  { isOperator, limits, collector, records }: ChainAnswers,
): Hex | undefined {
  const call = decode(data);
  switch (call?.functionName) {
    case "THAWING_PERIOD":
      return encodeFunctionResult({ abi, functionName: "THAWING_PERIOD", result: THAWING_SECONDS });
    case "name":
      return encodeFunctionResult({ abi, functionName: "name", result: USDC_DOMAIN.name });
    case "version":
      return encodeFunctionResult({ abi, functionName: "version", result: USDC_DOMAIN.version });
    case "DOMAIN_SEPARATOR": {
      const result = domainSeparator({ domain: USDC_DOMAIN });
      return encodeFunctionResult({ abi, functionName: "DOMAIN_SEPARATOR", result });
    }
    case "isOperator":
      return encodeFunctionResult({ abi, functionName: "isOperator", result: isOperator });
    case "operatorLimits": {
      const result = [Number(limits.expiry), limits.dailyCap, limits.spent] as const;
      return encodeFunctionResult({ abi, functionName: "operatorLimits", result });
    }
    case "collectorOf": {
      const result = [collector.current, collector.next, collector.since] as const;
      return encodeFunctionResult({ abi, functionName: "collectorOf", result });
    }
    case "resolver": {
      const result = records ? RESOLVER : getAddress(`0x${"00".repeat(20)}`);
      return encodeFunctionResult({ abi, functionName: "resolver", result });
    }
    case "addr":
      return encodeFunctionResult({ abi, functionName: "addr", result: records!.address });
    case "text": {
      const result = records!.texts[call.args[1] as RecordKey] ?? "";
      return encodeFunctionResult({ abi, functionName: "text", result });
    }
  }
  return undefined;
}

function decode(data: Hex) {
  try {
    return decodeFunctionData({ abi, data });
  } catch {
    return null;
  }
}
