/** Names as a provider's callers have them: of its own register, of ENS and of DNS. */
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { SignedNameChange } from "../../spec/name_change.ts";
import { labelFault } from "../../spec/name_label.ts";
import { nameIn, type NameKind, type OutsideName } from "../http/name_text.ts";
import type { Labels } from "../http/target.ts";
import { type Coverage, lapsesAt } from "./coverage.ts";
import type { NameMove, NameRegister, RegisteredName } from "./register.ts";
import type { Registrar } from "./registrar.ts";
import type { Resolutions } from "./resolutions.ts";

export interface NamesOptions {
  register: NameRegister;
  coverage: Pick<Coverage, "sweep">;
  registrar: Pick<Registrar, "change">;
  resolutions: Resolutions;
  /** Is told of a deployment that its owner's name left, and that no name leads to any more. */
  onLeft(cid: CidText): void;
  now: () => number;
}

/** A name, as `GET /names/{name}` tells it. */
export interface NameView {
  name: string;
  kind: NameKind;
  cid: CidText;
  owner?: Address;
  sequence?: number;
  /** Since when it is known to point there, Unix ms. */
  since: number;
  /** When it is nobody's any more unless its owner allows more, Unix ms; null: it stays. */
  lapsesAt?: number | null;
  /** The latest first. */
  history?: readonly NameMove[];
  /** When somebody said so last, Unix ms. */
  checkedAt: number;
  /** Whether that is longer ago than may be believed: who could say is out of reach. */
  isStale: boolean;
}

/** A name of the register, as its owner is told. */
export interface OwnedName extends Omit<RegisteredName, "takenAt" | "uncoveredSince"> {
  readonly lapsesAt: number | null;
}

export class Names {
  constructor(private readonly options: NamesOptions) {}

  /** By which requests are told from others. */
  get labels(): Labels {
    return this.options.register;
  }

  /**
   * What a name points to; null: nothing that could be called.
   * @param from the caller's address
   * @throws KhachapuriError as `Resolutions.get`
   */
  async cidOf(kind: NameKind, name: string, from: string): Promise<CidText | null> {
    const { register, resolutions } = this.options;
    if (kind === "register") return register.get(name)?.cid ?? null;
    return (await resolutions.get({ kind, name }, from)).cid;
  }

  /** Why what stood at a name at the last look could not be called; null: nothing did. */
  whyNot(kind: NameKind, name: string): string | null {
    if (kind === "register") return null;
    return this.options.resolutions.known({ kind, name })?.why ?? null;
  }

  /**
   * A credit was taken for a call by the name.
   * @param by who chose it; null: it is not known
   */
  notePaid(name: OutsideName, by: string | null): void {
    this.options.resolutions.notePaid(name, by);
  }

  /**
   * Makes a change of the register that an owner signed; null: the name was given up.
   * @throws KhachapuriError as `Registrar.change`
   */
  async change(change: SignedNameChange, from: string): Promise<NameView | null> {
    const { name, left } = await this.options.registrar.change(change, from);
    if (left !== null) this.noteLeft(left);
    return name && this.#registered(name);
  }

  /**
   * A name of the register leads to this deployment no more; others may. Both are the signer's own.
   * Who moves a name of DNS or ENS proves nothing about the deployment that it led to: anybody can
   * point one of theirs at anybody's, and away again. That ends nothing; its servers end when they
   * have been idle.
   */
  noteLeft(cid: CidText): void {
    const { register, resolutions, onLeft } = this.options;
    if (!register.points(cid) && !resolutions.points(cid)) onLeft(cid);
  }

  /**
   * All there is to tell of a name.
   * @throws KhachapuriError `invalid_name`, `not_found`, and as `Resolutions.get`
   */
  async view(text: string, from: string): Promise<NameView> {
    const label = text.toLowerCase();
    if (!text.includes(".")) return this.#labelled(label);
    const name = nameIn(text);
    if (name === null) throw noName(text);
    return await this.#outside(name, from);
  }

  ofOwner(owner: Address): OwnedName[] {
    return this.options.register.ofOwner(owner).map((name) => {
      const { takenAt: _, uncoveredSince: __, ...told } = name;
      return { ...told, lapsesAt: lapsesAt(name) };
    });
  }

  /** Lets names lapse whose owners' allowances have not covered them for long. */
  async lapse(signal?: AbortSignal): Promise<void> {
    await this.options.coverage.sweep(signal);
  }

  #labelled(label: string): NameView {
    const { register } = this.options;
    const name = register.get(label);
    if (name) return this.#registered(name);
    const fault = labelFault(label);
    if (fault !== null) throw noName(label, fault);
    throw new KhachapuriError("not_found", `nobody has the name ${label} here`, {
      hints: ["take it: khachapuri deploy --name"],
      data: { name: label, sequence: register.sequence(label) },
    });
  }

  #registered(registered: RegisteredName): NameView {
    const { label, owner, cid, sequence, since } = registered;
    const history = this.options.register.history(label);
    const checkedAt = this.options.now();
    const told = { name: label, kind: "register", cid, owner, sequence, since } as const;
    return { ...told, lapsesAt: lapsesAt(registered), history, checkedAt, isStale: false };
  }

  async #outside({ kind, name }: OutsideName, from: string): Promise<NameView> {
    const { resolutions } = this.options;
    const resolution = await resolutions.get({ kind, name }, from);
    const { cid, since, checkedAt } = resolution;
    if (cid === null) throw pointsNowhere(kind, name, resolution.why);
    return { name, kind, cid, since, checkedAt, isStale: resolutions.isStale(resolution) };
  }
}

/** What a name is refused with that points to nothing. */
export function pointsNowhere(
  kind: NameKind,
  name: string,
  why: string | null,
): KhachapuriError {
  const message = why === null ? `${name} points to nothing` : `${name} points to nothing: ${why}`;
  const hint = kind === "dnslink"
    ? `its owner: the TXT record of _dnslink.${name} says dnslink=/ipfs/{cid}`
    : `its owner: khachapuri name set ${name} {cid}`;
  return new KhachapuriError("not_found", message, {
    hints: [hint, "a change takes as long to be seen as the record says that it may be believed"],
  });
}

function noName(text: string, why = "it is neither a label nor a domain nor of ENS") {
  return new KhachapuriError("invalid_name", `${JSON.stringify(text)} is no name here: ${why}`, {
    hints: ["names are such as blog, blog.eth and www.example.com"],
  });
}
