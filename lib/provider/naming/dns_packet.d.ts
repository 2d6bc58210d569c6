/** What we use of npm's dns-packet, which brings no types; @types/dns-packet changes node's. */
import type { Buffer } from "node:buffer";

export const RECURSION_DESIRED: number;
export const RECURSION_AVAILABLE: number;
export const TRUNCATED_RESPONSE: number;

export interface Question {
  readonly type: string;
  readonly class?: string;
  readonly name: string;
}

interface Resource {
  readonly name: string;
  readonly class?: string;
  /** Missing in OPT. */
  readonly ttl?: number;
}

export interface TxtAnswer extends Resource {
  readonly type: "TXT";
  readonly data: string | Uint8Array | readonly (string | Uint8Array)[];
}

export interface CnameAnswer extends Resource {
  readonly type: "CNAME";
  readonly data: string;
}

export interface SoaAnswer extends Resource {
  readonly type: "SOA";
  readonly data: {
    readonly mname: string;
    readonly rname: string;
    readonly serial: number;
    readonly refresh: number;
    readonly retry: number;
    readonly expire: number;
    readonly minimum: number;
  };
}

/** Names and addresses in their text. */
export interface PlaceAnswer extends Resource {
  readonly type: "NS" | "A" | "AAAA";
  readonly data: string;
}

export interface OptAnswer {
  readonly type: "OPT";
  readonly name: ".";
  readonly udpPayloadSize: number;
  readonly extendedRcode: number;
  readonly ednsVersion: number;
  readonly flags: number;
  readonly options: readonly never[];
}

/** There are others, which say nothing to us. */
export type Answer = TxtAnswer | CnameAnswer | SoaAnswer | PlaceAnswer;

export interface Packet {
  readonly type: "query" | "response";
  readonly id: number;
  readonly flags: number;
  readonly questions?: readonly Question[];
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly additionals?: readonly OptAnswer[];
}

export interface DecodedPacket extends Required<Packet> {
  readonly flag_tc: boolean;
  readonly flag_rd: boolean;
  /** By name, e.g. "SERVFAIL". */
  readonly rcode: string;
}

export function encode(packet: Packet): Uint8Array;
/** @throws Error for what is no message */
export function decode(bytes: Buffer): DecodedPacket;
