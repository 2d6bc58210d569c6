/** Orders of this provider at its CA, with the account and the order under way on disk. */
import type { Clock } from "../../clock.ts";
import type { AcmeConfig, ChallengeType } from "../../config_acme.ts";
import { asKhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { KeyPair } from "../wire/certificate.ts";
import { caRequests, unfit } from "./ca_requests.ts";
import { type CaOptions, type CaSession, openCa } from "./ca_session.ts";
import type { Challengers } from "./challenge.ts";
import { conductOrder } from "./order.ts";
import { generateKey, type TlsFolder } from "./tls_folder.ts";
import { covers, isPair, readCertificate } from "./x509.ts";

export interface OrdersOptions {
  readonly names: readonly string[];
  readonly acme: Pick<AcmeConfig, "email">;
  readonly eab: CaOptions["eab"];
  /** Its directory's URL. */
  readonly directory: string;
  challengeOf(isWildcard: boolean): ChallengeType;
  readonly challengers: Challengers;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export class Orders {
  constructor(private readonly options: OrdersOptions, private readonly folder: TlsFolder) {}

  /**
   * Has a certificate from `directory`.
   * @param replaces the certificate that it follows (RFC 9773); null: none
   * @throws KhachapuriError `no_certificate`
   */
  async have(directory: string, replaces: string | null): Promise<KeyPair> {
    try {
      return await this.#have(directory, replaces);
    } catch (error) {
      if (asKhachapuriError(error).data.problem !== "accountDoesNotExist") throw error;
      // The CA has forgotten it, as staging ones do: it is made known again, under the same key.
      const { key } = await this.folder.account(directory);
      await this.folder.noteAccount(directory, { key, url: null });
      return await this.#have(directory, replaces);
    }
  }

  async #have(directory: string, replaces: string | null): Promise<KeyPair> {
    const { names, clock, signal, challengeOf, challengers, log } = this.options;
    const ca = await this.#account(directory);
    const begun = await this.#begunAt(directory);
    const key = begun?.key ?? generateKey();
    const cert = await conductOrder({
      ca,
      names,
      key,
      begunAt: begun?.url ?? null,
      noteBegun: (url) => this.folder.noteBegun({ directory, url, names: [...names], key }),
      replaces,
      challengeOf,
      challengers,
      clock,
      signal,
      log,
    }).catch(async (error) => {
      // What was begun is given up, unless the CA may go on with it when it is reached again.
      if (!signal.aborted && !isUnreachable(error)) await this.folder.noteBegun(null);
      throw error;
    });
    return this.#checked({ cert, key });
  }

  async #begunAt(directory: string) {
    const begun = await this.folder.begun();
    const isSame = begun !== null && begun.directory === directory &&
      String(begun.names) === String(this.options.names);
    return isSame ? begun : null;
  }

  /** The CA as our account talks to it, which is made known first where it is not. */
  async #account(directory: string): Promise<CaSession> {
    const account = await this.folder.account(directory);
    const ca = await this.#open(directory, account);
    const url = await ca.account();
    if (url === account.url) return ca;
    await this.folder.noteAccount(directory, { ...account, url });
    return ca;
  }

  #open(directoryUrl: string, account: CaOptions["account"]): Promise<CaSession> {
    const { acme: { email }, eab, fetch, clock, signal } = this.options;
    const request = caRequests({ fetch, now: clock.now, signal });
    return openCa({ directoryUrl, account, email, eab, request });
  }

  /** A certificate that cannot be used is none, and is not put in the place of one that can. */
  #checked(pair: KeyPair): KeyPair {
    const facts = isPair(pair) ? readCertificate(pair.cert) : null;
    if (!facts) throw unfit("the CA's certificate is not one of our key");
    if (!covers(facts, this.options.names)) {
      throw unfit(`the CA's certificate is for ${facts.names.join(", ")}`);
    }
    const now = this.options.clock.now();
    if (facts.notAfter > now) return pair;
    throw unfit(
      `the CA's certificate ended ${new Date(facts.notAfter).toISOString()}: is the clock right?`,
    );
  }
}

function isUnreachable(error: unknown): boolean {
  return asKhachapuriError(error).data.problem === "unreachable";
}
