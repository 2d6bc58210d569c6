/**
 * A set of what comes and goes with every call. `Set` makes a new table for every few that leave,
 * and a dead table refers to the next: once the garbage collector has moved one of them to the old
 * generation, it keeps all that later ones refer to, with what each call has left behind, until the
 * whole heap is gone through (`deno task bench http`).
 */

/** What can be a member, of one such set at a time. */
export interface Transient {
  /** Where it stands there, -1: nowhere. For the set alone to change. */
  place: number;
}

export class TransientSet<Member extends Transient> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    if (this.has(member)) return;
    member.place = this.#members.push(member) - 1;
  }

  has(member: Member): boolean {
    return this.#members[member.place] === member;
  }

  /** The last one takes its place. @returns whether it was there */
  delete(member: Member): boolean {
    if (!this.has(member)) return false;
    const last = this.#members.pop()!;
    if (last !== member) {
      this.#members[member.place] = last;
      last.place = member.place;
    }
    member.place = -1;
    return true;
  }

  /** Those that are there now, in no order; the set may change while they are gone through. */
  all(): Member[] {
    return [...this.#members];
  }
}
