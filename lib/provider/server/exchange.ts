/** A request to a server, and its answer, as its connection carries them. */
import type { ByteSource } from "../../byte_source.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Tunnel } from "../http/tunnel.ts";

export interface ServerRequest {
  readonly method: string;
  /** In origin form: path and query. */
  readonly target: string;
  /** All but what frames the message: Content-Length, Transfer-Encoding, Connection, Upgrade. */
  readonly fields: readonly HeaderField[];
  readonly body: ByteSource | null;
  /** Length of the body; null: it goes out in chunks. */
  readonly bodyBytes: number | null;
  /** What it asks the connection to become. */
  readonly upgrade: "websocket" | null;
}

export interface ServerResponse {
  /** 200 to 599, or 101 when the request asked for it. */
  readonly status: number;
  /** As the server sent them, names in lower case, one character an octet. */
  readonly fields: readonly HeaderField[];
  /** Length of the body as its head says, also in answer to HEAD; null: its end will tell. */
  readonly bodyBytes: number | null;
  /** The next chunk of the body; null at its end. Fails (`program_failed`) when it breaks off. */
  read(): Promise<Uint8Array | null>;
  /** Gives up the rest, and with it the connection. */
  cancel(): void;
  /** What came behind the body; empty before its end. */
  trailers(): readonly HeaderField[];
  /** The connection, of a 101; else null. */
  readonly tunnel: Tunnel | null;
}
