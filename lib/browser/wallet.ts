/**
 * A wallet that a browser's extension puts into the page: found by EIP-6963, or at
 * `window.ethereum` (EIP-1193). Whatever it refuses is said in words.
 */
import { page } from "./dom.ts";
import type { Hex } from "./words.ts";
import { Trouble } from "./trouble.ts";

/** EIP-1193. */
export interface Eip1193 {
  request(asked: { method: string; params?: readonly unknown[] }): Promise<unknown>;
  on?(event: string, listener: () => void): void;
}

export interface FoundWallet {
  readonly name: string;
  readonly provider: Eip1193;
}

/** A chain that a wallet may have to be told of (EIP-3085), by its operator's own documents. */
interface ChainFacts {
  readonly name: string;
  readonly coin: string;
  readonly rpc: string;
}

const CHAINS: Readonly<Record<number, ChainFacts>> = {
  10: { name: "OP Mainnet", coin: "ETH", rpc: "https://mainnet.optimism.io" },
  137: { name: "Polygon", coin: "POL", rpc: "https://polygon-rpc.com" },
  8453: { name: "Base", coin: "ETH", rpc: "https://mainnet.base.org" },
  42161: { name: "Arbitrum One", coin: "ETH", rpc: "https://arb1.arbitrum.io/rpc" },
  84532: { name: "Base Sepolia", coin: "ETH", rpc: "https://sepolia.base.org" },
  421614: {
    name: "Arbitrum Sepolia",
    coin: "ETH",
    rpc: "https://sepolia-rollup.arbitrum.io/rpc",
  },
};

/** Between two looks for a transaction, ms. */
const RECEIPT_PAUSE_MS = 1_000;

/** EIP-1193, EIP-1474, and what wallets share with MetaMask. */
const REFUSED = 4001;
const NOT_CONNECTED = 4100;
const UNKNOWN_CHAIN = 4902;
const BUSY = -32002;

/**
 * Calls back with each wallet that there is: at once, or when it says so.
 * @param onFound called with a wallet once
 */
export function discoverWallets(onFound: (wallet: FoundWallet) => void): void {
  const seen = new Set<Eip1193>();
  const found = (name: string, provider: Eip1193) => {
    if (seen.has(provider)) return;
    seen.add(provider);
    onFound({ name, provider });
  };
  page.addEventListener("eip6963:announceProvider", (event) => {
    const { info, provider } = (event as CustomEvent).detail;
    found(String(info?.name ?? "Wallet"), provider);
  });
  page.dispatchEvent(new Event("eip6963:requestProvider"));
  const lone = () => (page as unknown as { ethereum?: Eip1193 }).ethereum;
  const take = () => {
    if (seen.size === 0 && lone()) found("Browser wallet", lone()!);
  };
  // One that announces itself is there under its own name by now.
  setTimeout(take, 0);
  page.addEventListener("ethereum#initialized", take);
}

/** A wallet that the person has connected. */
export class Wallet {
  constructor(readonly provider: Eip1193, readonly address: Hex) {}

  /** Asks the wallet for an account. */
  static async connect(provider: Eip1193): Promise<Wallet> {
    const accounts = await ask(provider, "eth_requestAccounts") as Hex[];
    const [address] = accounts;
    if (address === undefined) throw new Trouble("The wallet gave no account.");
    return new Wallet(provider, address);
  }

  /** The account that the wallet shows the page now, without asking the person; null: none. */
  static async connected(provider: Eip1193): Promise<Wallet | null> {
    const [address] = await ask(provider, "eth_accounts") as Hex[];
    return address === undefined ? null : new Wallet(provider, address);
  }

  async ask<T>(method: string, ...params: unknown[]): Promise<T> {
    return await ask(this.provider, method, ...params) as T;
  }

  async chainId(): Promise<number> {
    return Number(await this.ask("eth_chainId"));
  }

  /** Has the wallet change to a chain, and tells it of one that it does not know. */
  async switchTo(chainId: number): Promise<void> {
    const id = `0x${chainId.toString(16)}`;
    try {
      await this.provider.request({
        method: "wallet_switchEthereumChain",
        params: [{ chainId: id }],
      });
    } catch (error) {
      if (codeOf(error) !== UNKNOWN_CHAIN) throw inWords(error);
      const facts = CHAINS[chainId];
      if (!facts) {
        throw new Trouble(
          `Your wallet does not know chain ${chainId}.`,
          "Add it in the wallet, then try again.",
        );
      }
      const { name, coin, rpc } = facts;
      await this.ask("wallet_addEthereumChain", {
        chainId: id,
        chainName: name,
        nativeCurrency: { name: coin, symbol: coin, decimals: 18 },
        rpcUrls: [rpc],
      });
    }
  }

  async read(to: Hex, data: Hex): Promise<Hex> {
    return await this.ask("eth_call", { to, data }, "latest");
  }

  /** 65 bytes r, s, v over EIP-712 data. */
  async signTypedData(typedData: object): Promise<Hex> {
    const json = JSON.stringify(typedData);
    const signature = await this.ask<Hex>("eth_signTypedData_v4", this.address, json);
    if (!/^0x[0-9a-fA-F]{130}$/.test(signature)) {
      throw new Trouble(
        "Your wallet is a contract: its signatures are not those of a key.",
        "Do it by transaction.",
      );
    }
    // Some write the last byte as 0 or 1 (EIP-2098 apart, the escrow takes 27 and 28).
    const v = parseInt(signature.slice(130), 16);
    return v < 27 ? `${signature.slice(0, 130)}${(v + 27).toString(16)}` as Hex : signature;
  }

  /** Sends a transaction and waits until it is mined. */
  async send(to: Hex, data: Hex): Promise<Hex> {
    const hash = await this.ask<Hex>("eth_sendTransaction", { from: this.address, to, data });
    for (;;) {
      const receipt = await this.ask<{ status: Hex } | null>("eth_getTransactionReceipt", hash);
      if (receipt && BigInt(receipt.status) === 1n) return hash;
      if (receipt) throw new Trouble(`Transaction ${hash} was mined, and failed.`);
      await new Promise((wake) => setTimeout(wake, RECEIPT_PAUSE_MS));
    }
  }
}

async function ask(provider: Eip1193, method: string, ...params: unknown[]): Promise<unknown> {
  try {
    return await provider.request({ method, params });
  } catch (error) {
    throw inWords(error);
  }
}

function codeOf(error: unknown): number | undefined {
  const { code, data } = error as { code?: number; data?: { originalError?: { code?: number } } };
  // MetaMask's mobile app wraps what it says.
  return data?.originalError?.code ?? code;
}

function inWords(error: unknown): Trouble {
  const code = codeOf(error);
  const message = String((error as { message?: unknown })?.message ?? error);
  if (code === REFUSED) {
    return new Trouble(
      "You declined it in the wallet.",
      "Nothing was signed and nothing was sent.",
    );
  }
  if (code === NOT_CONNECTED) {
    return new Trouble("The wallet is locked, or not connected any more.");
  }
  if (code === BUSY) return new Trouble("The wallet still waits for an answer: open it.");
  if (/insufficient funds/i.test(message)) {
    return new Trouble(
      "Your wallet holds too little of the chain's coin for the gas.",
      "By signature it takes none.",
    );
  }
  return new Trouble(`The wallet says: ${message.slice(0, 200)}`);
}
