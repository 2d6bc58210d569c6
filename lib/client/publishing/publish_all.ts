/** Copying content to any number of places at once; one that fails keeps no other from it. */
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import { carBytes } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import type { Destination } from "./destination.ts";

/** What became of one destination. */
export interface Copy {
  to: Destination;
  /** null when it is there, and came back. */
  error: KhachapuriError | null;
}

/** What has gone out, to all places together. */
export interface Sent {
  bytes: number;
  /** Of all that is to go out. */
  bytesOfAll: number;
  /** Names of the places that are not done. */
  pending: readonly string[];
}

export interface PublishAllOptions {
  onSent(sent: Sent): void;
  signal?: AbortSignal | undefined;
}

/**
 * Publishes every DAG to every destination, in the DAGs' order; second copies when the first are
 * done, and not where none of those came about.
 */
export async function publishAll(
  destinations: readonly Destination[],
  dags: readonly Dag[],
  options: PublishAllOptions,
): Promise<Copy[]> {
  const tally = new Tally(destinations, dags, options.onSent);
  const copyAll = (chosen: readonly Destination[]) =>
    Promise.all(chosen.map((to) => copy(to, dags, tally, options.signal)));
  const firsts = destinations.filter(({ order }) => order === "first");
  const seconds = destinations.filter(({ order }) => order === "second");
  const first = await copyAll(firsts);
  const failure = first.find(({ error }) => error !== null)?.error ?? null;
  if (failure !== null && first.every(({ error }) => error !== null)) {
    const message = "there is nowhere to copy it from: no other place has it";
    const error = failure.toldWith({ message, hints: [] });
    return [...first, ...seconds.map((to) => ({ to, error }))];
  }
  return [...first, ...await copyAll(seconds)];
}

async function copy(
  to: Destination,
  dags: readonly Dag[],
  tally: Tally,
  signal: AbortSignal | undefined,
): Promise<Copy> {
  try {
    for (const dag of dags) {
      await to.publish(dag, { onSent: (bytes) => tally.sent(to, dag, bytes), signal });
    }
    return { to, error: null };
  } catch (thrown) {
    signal?.throwIfAborted();
    return { to, error: asKhachapuriError(thrown) };
  } finally {
    tally.done(to);
  }
}

/** Counts what goes out. */
class Tally {
  readonly #bytesOfAll: number;
  readonly #sent = new Map<Destination, Map<Dag, number>>();
  readonly #pending: Set<Destination>;

  constructor(
    destinations: readonly Destination[],
    dags: readonly Dag[],
    private readonly onSent: PublishAllOptions["onSent"],
  ) {
    const sending = destinations.filter(({ order }) => order === "first");
    this.#bytesOfAll = sending.length * dags.reduce((sum, dag) => sum + carBytes(dag), 0);
    this.#pending = new Set(destinations);
    for (const to of destinations) this.#sent.set(to, new Map());
  }

  sent(to: Destination, dag: Dag, bytes: number): void {
    this.#sent.get(to)!.set(dag, bytes);
    this.#tell();
  }

  done(to: Destination): void {
    this.#pending.delete(to);
    this.#tell();
  }

  #tell(): void {
    const bytes = [...this.#sent.values()].flatMap((of) => [...of.values()])
      .reduce((sum, sent) => sum + sent, 0);
    const pending = [...this.#pending].map(({ name }) => name);
    this.onSent({ bytes, bytesOfAll: this.#bytesOfAll, pending });
  }
}
