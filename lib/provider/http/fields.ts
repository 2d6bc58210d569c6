/** The header fields of a request as they came (RFC 9110 section 5). */

import type { HeaderField } from "./header_rules.ts";

export class Fields {
  /** @param list in the order of the wire, repeated ones apart; octets as Latin-1 */
  constructor(readonly list: readonly HeaderField[]) {}

  /** The value of a field, repeated ones as one list; null when there is none. */
  get(name: string): string | null {
    const wanted = name.toLowerCase();
    let value: string | null = null;
    for (const field of this.list) {
      if (field[0] !== wanted) continue;
      // RFC 9110 section 5.3; cookies are a list of another kind (RFC 6265 section 5.4).
      value = value === null ? field[1] : value + (wanted === "cookie" ? "; " : ", ") + field[1];
    }
    return value;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** Each line of a field by itself; @param name in lower case */
  all(name: string): string[] {
    return this.list.filter((field) => field[0] === name).map((field) => field[1]);
  }
}

/** What reads single fields, of a request or elsewhere. */
export type FieldReader = Pick<Fields, "get" | "has">;
