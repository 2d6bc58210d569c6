/** A request as it came over the wire, and the answer that goes back. */
import type { ByteSource } from "../../byte_source.ts";
import type { Fields } from "./fields.ts";
import type { HeaderField } from "./header_rules.ts";
import type { RequestTarget } from "./request_target.ts";
import type { Tunnel } from "./tunnel.ts";

export type Protocol = "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0";

/** Who sent a request, as far as we can know it. */
export interface Sender {
  /** Its IP address. */
  readonly address: string;
  /** By which scheme it reached us; null when nobody that we trust says. */
  readonly scheme: "http" | "https" | null;
}

export interface HttpRequest extends RequestTarget {
  /** As sent: methods are told apart by case. */
  readonly method: string;
  readonly protocol: Protocol;
  readonly fields: Fields;
  /**
   * null: it announces none. Fails with `invalid_input` when the upload breaks off or is malformed.
   */
  readonly body: ByteSource | null;
  /** What its connection is to become, if the answer agrees. */
  readonly upgrade: "websocket" | null;
  readonly sender: Sender;
  /** Whether the caller is known to have gone. */
  hasGone(): boolean;
  /** Calls back once when the caller goes, or has gone; null: nobody is called any more. */
  whenGone(callback: (() => void) | null): void;
}

/** An answer's body that goes out as it comes. */
export interface AnswerStream extends ByteSource {
  /** Its caller is gone; resolves when all that follows from that is done. */
  cancel(): Promise<void>;
  /** A chunk that was read has been sent: nobody who sends it looks at it any more. */
  sent?(chunk: Uint8Array): void;
  /**
   * Settles when no more will be made: from then on a slow reader is waited for so long only, and
   * where it fails, no longer.
   */
  readonly ended: Promise<unknown>;
}

/** What a caller's connection is joined to. */
export interface AnswerTunnel extends Tunnel {
  /** Settles as that of a stream: a caller that does not take what is left is cut off. */
  readonly ended: Promise<unknown>;
}

export interface Answer {
  status: number;
  headers: HeaderField[];
  /** Without a body: null. Its length is not among the headers: whoever sends it knows it. */
  body: Uint8Array | AnswerStream | null;
  /** Length of a stream, or of the body that a HEAD has none of; where it is not known, none. */
  bodyBytes?: number | null;
  /** What follows a stream of unknown length, once it has ended; for a caller that takes it. */
  trailers?: () => readonly HeaderField[];
  /** With status 101: what the caller's connection is joined to. */
  tunnel?: AnswerTunnel;
}

/** Answers a request; never throws. */
export type Handle = (request: HttpRequest) => Promise<Answer>;
