/** The end of what an instance printed: there stands why it failed. */
import { concat } from "../../../sandbox/bytes.ts";
import { SERVER_LAST_OUTPUT_BYTES_MAX } from "../../limits_of_servers.ts";

export class LastOutput {
  #kept: Uint8Array[] = [];
  #bytes = 0;

  /** @param bytes nobody else's from now on */
  keep(bytes: Uint8Array): void {
    this.#kept.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > 2 * SERVER_LAST_OUTPUT_BYTES_MAX) this.#cut();
  }

  bytes(): Uint8Array {
    return concat(this.#kept).slice(-SERVER_LAST_OUTPUT_BYTES_MAX);
  }

  /** Once for as much as is kept, so that many small pieces cost little. */
  #cut(): void {
    this.#kept = [this.bytes()];
    this.#bytes = this.#kept[0]!.length;
  }
}
