/** A connection to one chain: reads through viem's public client, writes through `send`. */
import {
  type Abi,
  type Address,
  ccipRequest,
  createPublicClient,
  custom,
  defineChain,
  encodeDeployData,
  encodeFunctionData,
  type FeeValuesEIP1559,
  getAddress,
  getContractError,
  type Hex,
  type LocalAccount,
  type PublicClient,
  type TransactionReceipt,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { RECEIPT_TIMEOUT_MS, RPC_TIMEOUT_MS } from "../limits.ts";
import type { ContractCall } from "./contract_call.ts";
import type { EndpointHead, EndpointStatus } from "./endpoint.ts";
import { Endpoints } from "./endpoints.ts";
import { createManyReader } from "./multicall.ts";
import { estimateGas } from "./outbox/gas.ts";
import { createPost, type Post } from "./outbox/post.ts";
import type { Outgoing } from "./outbox/store.ts";
import { asChainError } from "./refusal.ts";
import type { RpcUsage } from "./rpc_usage.ts";

export type { ContractCall };

/** One question to a contract. */
export interface ContractRead extends ContractCall {
  /** As of this block; without it as of the latest. */
  blockNumber?: bigint;
  /** Who asks, where the answer depends on it: whether it could send this. */
  account?: Address;
}

/** One contract creation. */
export interface ContractCreation {
  abi: Abi;
  bytecode: Hex;
  args?: readonly unknown[];
}

export interface Chain {
  readonly chainId: number;
  /** The RPCs' origins, for messages; never the URLs, which may hold an API key. */
  readonly endpoint: string;
  readonly public: PublicClient;
  /**
   * Simulates, signs, broadcasts and waits for the receipt. Concurrent calls of one account get
   * consecutive nonces.
   * @throws KhachapuriError `chain_refused` with the custom error's name in `data.reason`;
   *   `chain_unavailable`, with `data.transaction` when it was broadcast and may yet be mined
   */
  send(account: LocalAccount, call: ContractCall): Promise<TransactionReceipt>;
  /** Like `send`, for what takes bytes and no function: nothing is said of why it refuses. */
  sendData(account: LocalAccount, to: Address, data: Hex): Promise<TransactionReceipt>;
  /** Like `send`, for a contract; returns its address. */
  deploy(account: LocalAccount, creation: ContractCreation): Promise<Address>;
  /**
   * A read of one contract function, its failures in our words.
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`
   */
  read<T>(call: ContractRead): Promise<T>;
  /**
   * Reads any number of contract functions as of one block, the latest unless one is given: one
   * request where the chain has Multicall3, as long as it fits, else batches. Rejects as a whole.
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`
   */
  readMany<T>(calls: readonly ContractCall[], blockNumber?: bigint): Promise<T[]>;
  /** How the JSON-RPC endpoints are, in the order of the configuration. */
  endpoints(): EndpointStatus[];
  /** The newest block that each of them tells of. */
  heads(): Promise<EndpointHead[]>;
  /** What they were asked since the connection was made. */
  readonly usage: Pick<RpcUsage, "requests" | "seconds">;
}

export interface ConnectOptions {
  /** Refuse any other chain: money is only safe on the chain one means. */
  expectedChainId?: number;
  /** Longest wait for one JSON-RPC answer. */
  timeoutMs?: number;
  /** Longest wait until a transaction is mined. */
  receiptTimeoutMs?: number;
}

/**
 * Connects to a chain, through one JSON-RPC endpoint or several (`Endpoints` says what two must say
 * alike). It is enough that one is up.
 * @throws KhachapuriError `invalid_config` for a URL that is not http(s), one listed twice, or
 *   another chain than expected or than another endpoint's; `chain_unavailable` when none answers
 */
export async function connect(
  rpc: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Chain> {
  const urls = checkUrls(typeof rpc === "string" ? [rpc] : rpc);
  const endpoint = urls.map((url) => new URL(url).origin).join(" or ");
  const endpoints = new Endpoints(urls, { timeoutMs: options.timeoutMs ?? RPC_TIMEOUT_MS });
  const chainId = await endpoints.identify().catch((error) => {
    throw asChainError(error, endpoint);
  });
  if (options.expectedChainId !== undefined && options.expectedChainId !== chainId) {
    const message = `${endpoint} is chain ${chainId}, expected ${options.expectedChainId}`;
    throw new KhachapuriError("invalid_config", message, { hints: ["give another --rpc URL"] });
  }
  const chain = defineChain({
    id: chainId,
    name: `eip155:${chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: urls } },
  });
  const transport = custom(endpoints, { retryCount: 0 });
  const client = createPublicClient({ chain, transport, ccipRead: { request: httpsCcipRequest } });
  const receiptTimeoutMs = options.receiptTimeoutMs ?? RECEIPT_TIMEOUT_MS;
  const post = createPost(client, endpoint, receiptTimeoutMs);
  return {
    chainId,
    endpoint,
    public: client,
    send: (account, call) => sendCall(client, endpoint, post, account, call),
    sendData: (account, to, data) => sendBytes(client, endpoint, post, account, { to, data }),
    deploy: (account, creation) => deployContract(client, endpoint, post, account, creation),
    read: (call) => readContract(client, endpoint, call),
    readMany: createManyReader(endpoints, endpoint),
    endpoints: () => endpoints.status(),
    heads: () => endpoints.heads(),
    usage: endpoints.usage,
  };
}

function checkUrls(urls: readonly string[]): string[] {
  if (urls.length === 0 || !urls.every((url) => /^https?:\/\//.test(url) && URL.canParse(url))) {
    throw new KhachapuriError("invalid_config", "the chain's RPC is not an http(s) URL");
  }
  const hrefs = urls.map((url) => new URL(url).href);
  const twice = hrefs.find((href, index) => hrefs.indexOf(href) < index);
  if (twice === undefined) return [...urls];
  const message = `the RPC at ${new URL(twice).origin} is listed twice`;
  throw new KhachapuriError("invalid_config", message, {
    hints: ["two nodes agree only if they are two"],
  });
}

/** ERC-3668: a resolver names the gateway, so it must not be able to name a host of our network. */
const httpsCcipRequest: typeof ccipRequest = (request) => {
  const urls = request.urls.filter((url) => url.startsWith("https://"));
  return ccipRequest({ ...request, urls });
};

async function readContract<T>(
  client: PublicClient,
  endpoint: string,
  call: ContractRead,
): Promise<T> {
  const { messages, ...parameters } = call;
  try {
    return await client.readContract(parameters) as T;
  } catch (error) {
    throw asChainError(error, endpoint, messages);
  }
}

async function sendCall(
  client: PublicClient,
  endpoint: string,
  post: Post,
  account: LocalAccount,
  call: ContractCall,
): Promise<TransactionReceipt> {
  const { address, abi, functionName, args = [], messages } = call;
  const data = encodeFunctionData({ abi, functionName, args });
  const refused = (error: unknown) => {
    const about = { abi, address, functionName, args, sender: account.address };
    return asChainError(getContractError(error as Error, about), endpoint, messages);
  };
  const gas = await estimate(client, account, { to: address, data }, refused);
  const receipt = await post(account, { to: address, data, gas });
  if (receipt.status === "success") return receipt;
  // What held when it was simulated no longer did when it was mined: ask that block why.
  const { blockNumber } = receipt;
  await client.call({ account: account.address, to: address, data, blockNumber }).catch((error) => {
    throw refused(error);
  });
  throw new KhachapuriError("chain_refused", `${functionName} was mined but reverted`, {
    data: { reason: "", transaction: receipt.transactionHash },
  });
}

async function sendBytes(
  client: PublicClient,
  endpoint: string,
  post: Post,
  account: LocalAccount,
  call: Omit<Outgoing, "gas">,
): Promise<TransactionReceipt> {
  const refused = (error: unknown) => asChainError(error, endpoint, {}, account.address);
  const gas = await estimate(client, account, call, refused);
  const receipt = await post(account, { ...call, gas });
  if (receipt.status === "success") return receipt;
  throw new KhachapuriError("chain_refused", "the transaction was mined but reverted", {
    data: { reason: "", transaction: receipt.transactionHash },
  });
}

async function deployContract(
  client: PublicClient,
  endpoint: string,
  post: Post,
  account: LocalAccount,
  { abi, bytecode, args = [] }: ContractCreation,
): Promise<Address> {
  const data = encodeDeployData({ abi, bytecode, args });
  const refused = (error: unknown) => {
    const about = { abi, functionName: "constructor", args, sender: account.address };
    return asChainError(getContractError(error as Error, about), endpoint);
  };
  const gas = await estimate(client, account, { to: null, data }, refused);
  const receipt = await post(account, { to: null, data, gas });
  if (receipt.status === "success" && receipt.contractAddress) {
    return getAddress(receipt.contractAddress);
  }
  throw new KhachapuriError("chain_refused", "the contract creation was mined but reverted", {
    data: { reason: "", transaction: receipt.transactionHash },
  });
}

async function estimate(
  client: PublicClient,
  account: LocalAccount,
  call: Omit<Outgoing, "gas">,
  refused: (error: unknown) => KhachapuriError,
): Promise<bigint> {
  try {
    return await estimateGas(client, account.address, call);
  } catch (error) {
    throw refused(error);
  }
}

/** What one transaction costs per unit of gas now. @throws KhachapuriError `chain_unavailable` */
export async function estimateFees(chain: Chain): Promise<FeeValuesEIP1559> {
  try {
    return await chain.public.estimateFeesPerGas();
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

/** The newest block's number, or an earlier one's. @throws KhachapuriError `chain_unavailable` */
export async function blockNumber(chain: Chain): Promise<bigint> {
  try {
    return await chain.public.getBlockNumber();
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

/**
 * When a block was made, the newest one by default, Unix seconds.
 * @throws KhachapuriError `chain_unavailable`, also for a block that is not there
 */
export async function blockTime(chain: Chain, blockNumber?: bigint): Promise<bigint> {
  try {
    const which = blockNumber === undefined ? {} : { blockNumber };
    return (await chain.public.getBlock(which)).timestamp;
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}
