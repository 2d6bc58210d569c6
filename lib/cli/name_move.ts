/**
 * Moving a name wherever it is said what it points to: nothing is signed before every place was
 * asked whether it may be, and a place that fails afterwards keeps what it had, and is named.
 */
import type { LocalAccount } from "viem";
import type { CidText } from "../cid.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import type { NameMoved, NamePlace } from "./name_place.ts";

/** A place, and what moves the name there. */
export interface Movable {
  where: string;
  move: (cid: CidText | null) => Promise<NameMoved>;
}

export type Moved = NameMoved & { where: string };

/** @throws KhachapuriError why the name may not be moved somewhere */
export async function prepareAll(
  places: readonly NamePlace[],
  account: LocalAccount,
): Promise<Movable[]> {
  return await Promise.all(
    places.map(async (place) => ({ where: place.where, move: await place.prepare(account) })),
  );
}

/**
 * Moves it everywhere; one after the other, so that what is told is in order.
 * @throws KhachapuriError the first failure, which says where the name was moved and where it was
 *   not, once all places have been asked
 */
export async function moveAll(
  name: string,
  movables: readonly Movable[],
  cid: CidText | null,
): Promise<Moved[]> {
  const moved: Moved[] = [];
  const failed: { where: string; error: KhachapuriError }[] = [];
  for (const { where, move } of movables) {
    try {
      moved.push({ where, ...await move(cid) });
    } catch (thrown) {
      failed.push({ where, error: asKhachapuriError(thrown) });
    }
  }
  const [first] = failed;
  if (first === undefined) return moved;
  if (movables.length === 1) throw first.error;
  const there = moved.map(({ where }) => where).join(", ") || "nowhere";
  const message = `${name} was moved at ${there}; where it failed it points to what it did before`;
  throw new KhachapuriError(first.error.code, message, {
    cause: new AggregateError(failed.map(({ where, error }) => at(where, error))),
    hints: first.error.hints,
    data: {
      moved: moved.map(({ where }) => where),
      failed: failed.map(({ where, error }) => ({ where, error: error.code })),
    },
  });
}

function at(where: string, error: KhachapuriError): KhachapuriError {
  return error.toldWith({ message: `${where}: ${error.shortMessage}` });
}

const ACTION_WORDS: Readonly<Record<NameMoved["action"], string>> = {
  set: "moved",
  removed: "points nowhere now",
  unchanged: "says so already",
  "by hand": "only you can change it",
};

export function movedLines(moved: readonly Moved[]): string[] {
  return moved.flatMap(({ where, action, lines }) => [
    `${where}: ${ACTION_WORDS[action]}`,
    ...lines.map((line) => `  ${line}`),
  ]);
}

/** For `--json`. */
export function movedJson(moved: readonly Moved[]) {
  return moved.map(({ where, action, facts }) => ({ where, action, ...facts }));
}
