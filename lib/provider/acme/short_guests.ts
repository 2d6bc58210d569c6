/**
 * Who is served in no time, and has nothing to do here for longer: of too many the one leaves that
 * came first. So those who stay keep nobody out, and of one network they displace each other.
 */
export class ShortGuests<Guest> {
  /** In the order in which they came. */
  readonly #networks = new Map<Guest, string | null>();

  /**
   * @param max how many there may be
   * @param networkMax how many of one network
   */
  constructor(private readonly max: number, private readonly networkMax: number) {}

  /**
   * @param network null: it stands for many callers, and has no bound
   * @returns who has to leave in its place; null: nobody has
   */
  enter(guest: Guest, network: string | null): Guest | null {
    const leaving = this.#firstOf(network) ?? this.#first();
    if (leaving !== null) this.leave(leaving);
    this.#networks.set(guest, network);
    return leaving;
  }

  leave(guest: Guest): void {
    this.#networks.delete(guest);
  }

  /** The first of a network that has all that it may. */
  #firstOf(network: string | null): Guest | null {
    if (network === null) return null;
    const own = [...this.#networks].filter(([, each]) => each === network);
    return own.length < this.networkMax ? null : own[0]![0];
  }

  #first(): Guest | null {
    const [first] = this.#networks.keys();
    return first !== undefined && this.#networks.size >= this.max ? first : null;
  }
}
