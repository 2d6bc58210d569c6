/** How many answers with content go out at a time, in all and to one network. */
import { KhachapuriError } from "../../errors.ts";
import { CONTENT_ANSWERS_MAX, NETWORK_CONTENT_ANSWERS_MAX } from "../../limits_of_content.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { NetworkCounts } from "../http/network_counts.ts";

const RETRY_SECONDS = 1;

export class GatewayPlaces {
  #taken = 0;
  readonly #networks = new NetworkCounts(NETWORK_CONTENT_ANSWERS_MAX);

  get taken(): number {
    return this.#taken;
  }

  /**
   * @param address of the reader
   * @returns gives the place back; a second time does nothing
   * @throws KhachapuriError `rate_limited` for what its network has, `overloaded` for what all have
   */
  take(address: string): () => void {
    const network = addressPrefix(address);
    if (this.#taken >= CONTENT_ANSWERS_MAX) {
      throw tooMany("overloaded", `${CONTENT_ANSWERS_MAX} answers with content go out already`);
    }
    if (!this.#networks.add(network)) {
      const message = `${NETWORK_CONTENT_ANSWERS_MAX} answers with content go out to your network`;
      throw tooMany("rate_limited", message);
    }
    this.#taken += 1;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken -= 1;
      this.#networks.remove(network);
    };
  }
}

function tooMany(code: "overloaded" | "rate_limited", message: string): KhachapuriError {
  return new KhachapuriError(code, message, {
    retryAfterSeconds: RETRY_SECONDS,
    hints: ["read fewer at a time, or try again"],
  });
}
