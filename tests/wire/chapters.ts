/** All cases, in the order of the page. */
import type { Chapter } from "./case.ts";
import { ANSWERS } from "./cases/answers.ts";
import { BREAKS, EARLY } from "./cases/breaks.ts";
import { CHUNKS } from "./cases/chunks.ts";
import { CODINGS } from "./cases/codings.ts";
import { EXPECTATIONS, METHODS, ONE_ZERO, PIPELINES } from "./cases/connections.ts";
import { FIELDS } from "./cases/fields.ts";
import { HOST } from "./cases/host.ts";
import { LENGTHS } from "./cases/lengths.ts";
import { OWN_PATHS } from "./cases/own_paths.ts";
import { REQUEST_LINE } from "./cases/request_line.ts";
import { UNPAID } from "./cases/unpaid.ts";

export const CHAPTERS: readonly Chapter[] = [
  REQUEST_LINE,
  FIELDS,
  HOST,
  LENGTHS,
  CODINGS,
  CHUNKS,
  PIPELINES,
  METHODS,
  EXPECTATIONS,
  UNPAID,
  ONE_ZERO,
  BREAKS,
  EARLY,
  ANSWERS,
  OWN_PATHS,
];
