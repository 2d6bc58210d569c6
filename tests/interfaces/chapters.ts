/** All that is in docs/interfaces.md, in its order. */
import type { Chapter } from "./row.ts";
import { FORWARDING } from "./rows/forwarding.ts";
import { ANSWERS, REQUESTS } from "./rows/methods.ts";
import { EXTRAS, SEMANTICS } from "./rows/semantics.ts";
import { STREAMS } from "./rows/streams.ts";
import { UPGRADES } from "./rows/upgrades.ts";

export const CHAPTERS: readonly Chapter[] = [
  REQUESTS,
  ANSWERS,
  STREAMS,
  SEMANTICS,
  EXTRAS,
  FORWARDING,
  UPGRADES,
];
