/** The answer to a request on its way out: counted, and known when it is over. */
import type { KhachapuriError } from "../../errors.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Tunnel } from "../http/tunnel.ts";
import type { ServerResponse } from "./exchange.ts";

/** What its request hears of it. */
export interface ResponseFate {
  /** Of its body, at most. */
  readonly bytesMax: number;
  /** All of it was read, or there was nothing to read; or its reader closed its tunnel. */
  complete(): void;
  /** Its tunnel was closed by the server, and then by its reader. */
  closed(): void;
  giveUp(): void;
  /** @returns what its reader is told */
  tooLarge(): KhachapuriError;
  /** @returns what its reader is told in place of `thrown` */
  failure(thrown: unknown): Promise<KhachapuriError>;
}

export class MeteredResponse implements ServerResponse {
  readonly status: number;
  readonly fields: readonly HeaderField[];
  readonly bodyBytes: number | null;
  readonly tunnel: Tunnel | null;
  /** Of the body, or of the tunnel, so far. */
  bytes = 0;
  /** Into its tunnel, so far. */
  sentBytes = 0;

  constructor(
    private readonly response: ServerResponse,
    method: string,
    private readonly fate: ResponseFate,
  ) {
    this.status = response.status;
    this.fields = response.fields;
    this.bodyBytes = response.bodyBytes;
    this.tunnel = response.tunnel && this.#metered(response.tunnel);
    // Nobody has to read what is not there.
    if (!this.tunnel && isBodiless(response, method)) fate.complete();
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const bytes = await this.response.read();
      if (bytes === null) {
        if (!this.tunnel) this.fate.complete();
        return null;
      }
      this.bytes += bytes.length;
      if (this.bytes > this.fate.bytesMax) throw this.fate.tooLarge();
      // A reader who knows the length need not ask for the end.
      if (this.bytes === this.bodyBytes) this.fate.complete();
      return bytes;
    } catch (thrown) {
      throw await this.fate.failure(thrown);
    }
  }

  cancel(): void {
    this.response.cancel();
    this.fate.giveUp();
  }

  trailers(): readonly HeaderField[] {
    return this.response.trailers();
  }

  /** Its bytes have no bound: what it costs is time. */
  #metered(tunnel: Tunnel): Tunnel {
    let isEnded = false;
    return {
      read: async () => {
        try {
          const bytes = await tunnel.read();
          this.bytes += bytes?.length ?? 0;
          isEnded ||= bytes === null;
          return bytes;
        } catch (thrown) {
          throw await this.fate.failure(thrown);
        }
      },
      write: async (bytes) => {
        try {
          await tunnel.write(bytes);
          this.sentBytes += bytes.length;
        } catch (thrown) {
          throw await this.fate.failure(thrown);
        }
      },
      close: () => {
        tunnel.close();
        if (isEnded) this.fate.closed();
        else this.fate.complete();
      },
    };
  }
}

function isBodiless({ status, bodyBytes }: ServerResponse, method: string): boolean {
  return method === "HEAD" || bodyBytes === 0 || status === 204 || status === 304;
}
