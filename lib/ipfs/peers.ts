/**
 * The other nodes of a provider, which are asked for content before any gateway is. Each serves
 * the others what it has; a content's home has gateways asked, too, so that a gateway is asked once
 * for what all nodes need. Nobody asks a third on a peer's behalf, so no question goes in circles.
 * What a peer sends is checked as if a gateway had sent it.
 */
import type { CID } from "../cid.ts";
import type { Gateway } from "./retrieve.ts";
import { Operator } from "./operator.ts";
import { type FleetNode, homesOf } from "./rendezvous.ts";

/** With which a peer asks a content's home to have it fetched: the largest file it takes, bytes. */
export const FETCH_FIELD = "khachapuri-fetch-bytes";

export interface PeersOptions {
  /** This node's name. */
  node: string;
  /** Those that live, this one among them. */
  nodes(): readonly FleetNode[];
  /** By which the others know this node: the value of `Authorization`. */
  authorization: string;
  /** The clock, ms since the epoch. */
  now(): number;
}

/** Another node. */
export interface Peer {
  readonly operator: Operator;
  /** As it is asked for what it has. */
  readonly forWhatIsThere: Gateway;
  /** As it is asked to have gateways asked, where it is the home. */
  toFetch(bytesMax: number): Gateway;
}

/** Whom to ask for a content. */
export interface PeerOrder {
  /** The home first, where that is another node. */
  readonly peers: readonly Peer[];
  /** null: this node is the home, or knows of no other. */
  readonly home: Peer | null;
}

export class Peers {
  /** How each behaved, by its URL. */
  readonly #operators = new Map<string, Operator>();

  constructor(private readonly options: PeersOptions) {}

  orderFor(cid: CID): PeerOrder {
    const order = homesOf(cid, this.options.nodes());
    const isHome = order[0]?.name === this.options.node;
    const others = order.filter(({ name }) => name !== this.options.node);
    const peers = others.map(({ url }) => this.#peerAt(url));
    return { peers, home: isHome ? null : peers[0] ?? null };
  }

  /** Whether a content is looked for by this node, on behalf of all. */
  isHomeOf(cid: CID): boolean {
    return homesOf(cid, this.options.nodes())[0]?.name === this.options.node;
  }

  #peerAt(url: string): Peer {
    const { authorization, now } = this.options;
    const operator = this.#operators.get(url) ?? new Operator(now);
    this.#operators.set(url, operator);
    const base = new URL(url.endsWith("/") ? url : `${url}/`);
    const asked = (fields: Record<string, string>): Gateway => {
      return { base, withoutCar: false, ownFields: { authorization, ...fields } };
    };
    return {
      operator,
      forWhatIsThere: asked({ "cache-control": "only-if-cached" }),
      toFetch: (bytesMax) => asked({ [FETCH_FIELD]: String(bytesMax) }),
    };
  }
}
