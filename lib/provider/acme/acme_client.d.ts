/** What we use of npm's acme-client, by its inner modules: its index loads node-forge, too. */

export interface Answer {
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON read; anything else as its text. */
  // deno-lint-ignore no-explicit-any
  readonly data: any;
}

export interface RequestParts {
  readonly headers?: Record<string, string>;
  readonly data?: unknown;
}

export interface Account {
  readonly status: string;
}

/** As the CA tells it, so nothing in it is sure. */
export interface Order {
  readonly url: string;
  readonly status?: unknown;
  readonly finalize?: string;
  readonly certificate?: unknown;
  readonly authorizations?: readonly string[];
  readonly error?: unknown;
}

export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly status: string;
  readonly token: string;
  readonly error?: unknown;
}

export interface Authorization {
  readonly url: string;
  readonly status: string;
  readonly wildcard?: boolean;
  readonly identifier: { readonly type: string; readonly value: string };
  readonly challenges: readonly Challenge[];
}

export default class AcmeClient {
  constructor(options: {
    readonly directoryUrl: string;
    readonly accountKey: string;
    readonly accountUrl?: string | null;
    readonly externalAccountBinding?: { readonly kid: string; readonly hmacKey: string };
  });
  /** All its requests go through `request`, which we put ours in the place of. */
  readonly http: {
    request(url: string, method: string, parts?: RequestParts): Promise<Answer>;
    getDirectory(): Promise<Readonly<Record<string, unknown>>>;
  };
  readonly api: {
    apiRequest(url: string, payload: unknown, statuses: readonly number[]): Promise<Answer>;
  };
  getAccountUrl(): string;
  createAccount(account: Record<string, unknown>): Promise<Account>;
  createOrder(order: Record<string, unknown>): Promise<Order>;
  getChallengeKeyAuthorization(challenge: Challenge): Promise<string>;
  finalizeOrder(order: Order, csr: Uint8Array): Promise<Order>;
}
