/**
 * Which of the things that are kept is given up for another one: LIRS (Jiang and Zhang, "LIRS: an
 * efficient low inter-reference recency set replacement policy", SIGMETRICS 2002). What was used
 * twice within a short span stays; what was used once, or seldom, passes through a small part of
 * the places. So callers that go round more deployments than there is room for find most of that
 * room filled with what is called again, where giving up the longest unused would always give up
 * the one that is called next. `deno task bench eviction` compares it with others on traces.
 *
 * Each use and each choice takes the same time however much is kept, on average. What is in use is
 * never given up.
 */

/** Of the places, what is held by things whose next use is not expected soon. */
const PASSING_SHARE = 0.05;
/** How many of those that were given up are remembered, for each place. */
const REMEMBERED_SHARE = 2;

/** A place in a row. */
interface Link<Key> {
  readonly of: Entry<Key>;
  before: Link<Key> | null;
  after: Link<Key> | null;
  row: Row<Key> | null;
}

interface Entry<Key> {
  readonly key: Key;
  /** In the order of last uses. */
  readonly recency: Link<Key>;
  /** Among those that may be given up, or that are remembered. */
  readonly standing: Link<Key>;
  kind: "staying" | "passing" | "remembered";
  /** Uses under way. */
  uses: number;
}

/** Things in a row, of which any can leave. */
class Row<Key> {
  first: Link<Key> | null = null;
  length = 0;
  #last: Link<Key> | null = null;

  /** At its end, from wherever it stood. */
  append(link: Link<Key>): void {
    if (this.#last === link) return;
    link.row?.remove(link);
    link.row = this;
    link.before = this.#last;
    if (this.#last) this.#last.after = link;
    else this.first = link;
    this.#last = link;
    this.length += 1;
  }

  remove(link: Link<Key>): void {
    if (link.row !== this) return;
    if (link.before) link.before.after = link.after;
    else this.first = link.after;
    if (link.after) link.after.before = link.before;
    else this.#last = link.before;
    link.before = link.after = link.row = null;
    this.length -= 1;
  }
}

export class Eviction<Key> {
  /** Of what is kept or remembered. */
  readonly #entries = new Map<Key, Entry<Key>>();
  /** By last use, longest ago first; what it begins with stays. */
  readonly #recency = new Row<Key>();
  /** Not in use, longest so first. */
  readonly #passingIdle = new Row<Key>();
  readonly #stayingIdle = new Row<Key>();
  readonly #remembered = new Row<Key>();
  readonly #stayingMost: number;
  readonly #rememberedMost: number;
  #staying = 0;
  #passing = 0;

  /** @param most how many are kept: whoever keeps them asks for a `victim` beyond it */
  constructor(most: number) {
    this.#stayingMost = most - Math.max(1, Math.round(most * PASSING_SHARE));
    this.#rememberedMost = most * REMEMBERED_SHARE;
  }

  /** How many are kept. */
  size(): number {
    return this.#staying + this.#passing;
  }

  /** How many more are remembered. */
  remembered(): number {
    return this.#remembered.length;
  }

  /** One is used, which is kept from now on. */
  use(key: Key): void {
    const entry = this.#entries.get(key) ?? this.#add(key);
    entry.uses += 1;
    if (entry.kind === "staying") this.#recency.append(entry.recency);
    else this.#welcome(entry);
    entry.standing.row?.remove(entry.standing);
    this.#tidy();
  }

  /** A use of it is over. */
  rest(key: Key): void {
    const entry = this.#entries.get(key);
    if (!entry || entry.uses === 0) return;
    entry.uses -= 1;
    this.#stand(entry);
  }

  /** It is not kept any more, whatever the reason; that it was used is remembered. */
  leave(key: Key): void {
    const entry = this.#entries.get(key);
    if (!entry || entry.kind === "remembered") return;
    if (entry.kind === "staying") this.#staying -= 1;
    else this.#passing -= 1;
    entry.kind = "remembered";
    entry.uses = 0;
    this.#remembered.append(entry.standing);
    // One that is nowhere near those that stay would tell nothing by its next use.
    if (entry.recency.row === null) this.#forget(entry);
    if (this.#remembered.length > this.#rememberedMost) this.#forget(this.#remembered.first!.of);
    this.#tidy();
  }

  /** The one to be given up next; null where all are in use. */
  victim(): Key | null {
    return (this.#passingIdle.first ?? this.#stayingIdle.first)?.of.key ?? null;
  }

  #add(key: Key): Entry<Key> {
    const entry = { key, kind: "remembered", uses: 0 } as Entry<Key>;
    const link = (): Link<Key> => ({ of: entry, before: null, after: null, row: null });
    Object.assign(entry, { recency: link(), standing: link() });
    this.#entries.set(key, entry);
    return entry;
  }

  /** It stays from now on if it was used lately, or as long as there is room; else it passes. */
  #welcome(entry: Entry<Key>): void {
    const wasUsedLately = entry.recency.row !== null;
    if (entry.kind === "passing") this.#passing -= 1;
    this.#recency.append(entry.recency);
    if (wasUsedLately || this.#staying < this.#stayingMost) {
      entry.kind = "staying";
      this.#staying += 1;
    } else {
      entry.kind = "passing";
      this.#passing += 1;
    }
    if (this.#staying > this.#stayingMost) this.#demote();
  }

  /** Of those that stay, the one that was used longest ago passes. */
  #demote(): void {
    this.#tidy();
    const { of: entry } = this.#recency.first!;
    this.#recency.remove(entry.recency);
    entry.kind = "passing";
    this.#staying -= 1;
    this.#passing += 1;
    this.#stand(entry);
  }

  /** Who was used before all that stay is no candidate to stay at its next use. */
  #tidy(): void {
    for (let link; (link = this.#recency.first) !== null;) {
      const { of: entry } = link;
      if (entry.kind === "staying") return;
      this.#recency.remove(link);
      if (entry.kind === "remembered") this.#forget(entry);
    }
  }

  #forget(entry: Entry<Key>): void {
    this.#recency.remove(entry.recency);
    this.#remembered.remove(entry.standing);
    this.#entries.delete(entry.key);
  }

  /** Where it may be given up, as soon as nobody uses it. */
  #stand(entry: Entry<Key>): void {
    if (entry.uses > 0) return;
    (entry.kind === "staying" ? this.#stayingIdle : this.#passingIdle).append(entry.standing);
  }
}
