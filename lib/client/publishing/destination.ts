/** A place that content can be copied to. */
import type { Dag } from "../../ipfs/dag.ts";

export interface Destination {
  /** What people know it by; no token is in it. */
  name: string;
  /** The flags of `khachapuri publish` that copy to it, as a shell reads them. */
  flags: string;
  /** Who can read it from there: one provider, everybody, or whoever has the files. */
  reach: "provider" | "network" | "files";
  /** "second": it fetches what is somewhere already, so it comes after the others. */
  order: "first" | "second";
  /**
   * Brings `dag` there and reads it back from there, as far as that place lets itself be read.
   * What is there already is not sent again.
   * @throws KhachapuriError
   */
  publish(dag: Dag, options: PublishingOptions): Promise<void>;
}

export interface PublishingOptions {
  /** Called with the bytes of the dag's CAR that have gone out so far. */
  onSent(bytes: number): void;
  signal?: AbortSignal | undefined;
}
