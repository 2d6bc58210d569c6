/** How many connections may be tunnels, in total and of one network: they may last for hours. */
import { KhachapuriError } from "../../errors.ts";
import { NETWORK_TUNNELS_MAX, TUNNELS_MAX } from "../../limits_of_servers.ts";
import { NetworkCounts } from "../http/network_counts.ts";

export class Tunnels {
  #all = 0;
  readonly #networks = new NetworkCounts(NETWORK_TUNNELS_MAX);

  /** @param options whose `networkOf` tells what shares one bound with an address; null: nobody */
  constructor(private readonly options: { networkOf(address: string): string | null }) {}

  /**
   * Takes a place before anything else is done for a handshake, which is therefore free to refuse.
   * @param address of the caller, as a proxy tells it
   * @returns gives the place back, once
   * @throws KhachapuriError `overloaded`
   */
  take(address: string): () => void {
    const network = this.options.networkOf(address);
    if (this.#all >= TUNNELS_MAX) throw tooMany(`${TUNNELS_MAX} WebSockets are open here`);
    if (!this.#networks.add(network)) {
      throw tooMany(`${NETWORK_TUNNELS_MAX} WebSockets are open from your network`);
    }
    this.#all += 1;
    return () => {
      this.#all -= 1;
      this.#networks.remove(network);
    };
  }
}

function tooMany(what: string): KhachapuriError {
  return new KhachapuriError("overloaded", `${what}, which is the most there may be`, {
    retryAfterSeconds: 10,
    hints: ["close some, or try again later"],
  });
}
