/** Who has calls at a provider, and which of them wait: owners, their deployments, and payers. */
import { Heap, type Heaped } from "../../heap.ts";
import type { Transient } from "../../transient_set.ts";
import { RunPace } from "./run_pace.ts";
import { Contest, SlotShare } from "./slot_share.ts";

export interface CallOf {
  /** Whose share of the slots it takes. */
  readonly owner: string;
  /** null: the owner itself, for whoever calls. */
  readonly payer: string | null;
  readonly deployment: string;
  /** Runs of the deployment at a time. */
  readonly concurrency: number;
}

export type RefusalReason =
  /** So many wait that it would wait for longer than a call may. */
  | "slow"
  /** Too many wait already. */
  | "full"
  /** It has waited for as long as a call may. */
  | "late";

export interface Refusal {
  readonly reason: RefusalReason;
  /** Whether its deployment's own limit is what it waits for. */
  readonly isOwnLimit: boolean;
  /** When a slot for it can be expected. */
  readonly retryMs: number;
}

/** So many that are idle are kept without a look at whether to: owners, deployments, */
const IDLE_KEPT = 1_024;
/** and payers of one owner, each of whom may have called each owner once. */
const IDLE_PAYERS_KEPT = 16;

/** All of a kind that are in use, and of those that are idle not too many. */
class InUse<Key, Each extends { readonly users: number }> {
  readonly #all = new Map<Key, Each>();
  #sweptAt: number;

  constructor(private readonly idleKept: number) {
    this.#sweptAt = idleKept;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: Key): Each | undefined {
    return this.#all.get(key);
  }

  values(): Iterable<Each> {
    return this.#all.values();
  }

  /** Where there are many, who is idle is forgotten. */
  add(key: Key, each: Each): Each {
    if (this.#all.size >= this.#sweptAt) {
      for (const [key, { users }] of this.#all) if (users === 0) this.#all.delete(key);
      this.#sweptAt = 2 * this.#all.size + this.idleKept;
    }
    this.#all.set(key, each);
    return each;
  }
}

export class Owner implements Heaped {
  heapAt = -1;
  /** In what order those came who are level. */
  order = 0;
  /** For another heap, by how much they hold. */
  readonly holding: Holding = { heapAt: -1, owner: this };
  /** Its turns that are not over. */
  users = 0;
  waiting = 0;
  /** Of those the ones that wait for a limit of their deployment's own. */
  limited = 0;
  /** Whose calls those that wait are. */
  payersWaiting = 0;
  readonly share: SlotShare;
  readonly pace = new RunPace();
  readonly contest = new Contest();
  readonly payers = new InUse<string | null, Payer>(IDLE_PAYERS_KEPT);
  /** Its deployments for which a call could begin. */
  readonly open = new Heap<Gate>((one, other) =>
    isBefore(one.lines.first()!, other.lines.first()!)
  );

  constructor(contest: Contest) {
    this.share = new SlotShare(contest);
  }
}

/** An owner, among those that could have a slot. */
export interface Holding extends Heaped {
  readonly owner: Owner;
}

export class Payer {
  readonly share: SlotShare;
  users = 0;
  waiting = 0;
  /** When the last call of its own that was refused is expected back. */
  expectedAt = 0;
  readonly lines = new Map<Gate, Line>();

  /** @param isOther than the owner */
  constructor(contest: Contest, readonly isOther: boolean) {
    this.share = new SlotShare(contest);
  }
}

/** A deployment, with its own limit. */
export class Gate implements Heaped {
  heapAt = -1;
  users = 0;
  /** Of its runs the ones that get no further credit, as others want their slots. */
  leaving = 0;
  waiting = 0;
  /** Of those the ones that its own limit keeps back. */
  limited = 0;
  /** When a call last found no slot for it; null: none did since one began. */
  lackedAt: number | null = null;
  /** When the last one at its owner's cost that was refused is expected back. */
  expectedAt = 0;
  readonly pace = new RunPace();
  readonly lines = new Heap<Line>(isBefore);

  constructor(readonly deployment: string, public owner: Owner, public concurrency: number) {}

  /** Runs that go on. */
  get running(): number {
    return this.pace.running;
  }

  isOpen(): boolean {
    return this.running < this.concurrency;
  }

  /** Whether a call waits for a slot, or was refused one since. */
  lacksSlot(since: number): boolean {
    return this.waiting > this.limited || (this.lackedAt ?? -Infinity) >= since;
  }
}

/** Calls of one payer to one deployment. */
export class Line implements Heaped {
  heapAt = -1;
  readonly turns = new Heap<Turn>((one, other) => one.order < other.order);

  constructor(readonly payer: Payer, readonly gate: Gate) {}
}

function isBefore(one: Line, other: Line): boolean {
  const shares = one.payer.share.compare(other.payer.share);
  return (shares || one.turns.first()!.order - other.turns.first()!.order) < 0;
}

/** A call that runs, or waits to. */
export interface Turn extends Heaped, Transient {
  readonly gate: Gate;
  readonly owner: Owner;
  readonly payer: Payer;
  state: "running" | "waiting" | "returning" | "aside" | "over";
  order: number;
  /** When it began to run, or to wait. */
  since: number;
  /** What its owner and its payer were charged for it when it began. */
  charges: { owner: number; payer: number };
  /** Told what comes of its waiting: null where it runs from now on. */
  settle: ((refusal: Refusal | null) => void) | null;
}

export function newTurn(gate: Gate, payer: Payer, order: number): Turn {
  const { owner } = gate;
  return {
    heapAt: -1,
    place: -1,
    gate,
    owner,
    payer,
    order,
    state: "waiting",
    since: 0,
    charges: { owner: 0, payer: 0 },
    settle: null,
  };
}

/** All that have calls. */
export class Parties {
  readonly #owners = new InUse<string, Owner>(IDLE_KEPT);
  readonly #gates = new InUse<string, Gate>(IDLE_KEPT);

  /** @param contest in which owners are */
  constructor(private readonly contest: Contest) {}

  gates(): Iterable<Gate> {
    return this.#gates.values();
  }

  gateOf({ deployment, owner: key, concurrency }: Omit<CallOf, "payer">): Gate {
    const owner = this.#owners.get(key) ?? this.#owners.add(key, new Owner(this.contest));
    const known = this.#gates.get(deployment);
    if (!known) return this.#gates.add(deployment, new Gate(deployment, owner, concurrency));
    // A spec that takes another's place may say another number; a stranger may have become none.
    if (known.waiting === 0) {
      known.owner = owner;
      known.concurrency = concurrency;
    }
    return known;
  }
}

export function payerOf({ payers, contest }: Owner, key: string | null): Payer {
  return payers.get(key) ?? payers.add(key, new Payer(contest, key !== null));
}
