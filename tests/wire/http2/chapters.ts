/** All cases of HTTP/2, in the order of the page. */
import type { Http2Chapter } from "./case.ts";
import { FRAMES } from "./frame_cases.ts";
import { FIELDS, PSEUDO_FIELDS, REQUESTS } from "./request_cases.ts";

export const HTTP2_CHAPTERS: readonly Http2Chapter[] = [REQUESTS, FIELDS, PSEUDO_FIELDS, FRAMES];
