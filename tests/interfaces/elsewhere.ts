/** Rows of docs/interfaces.md that need more than a socket, and the tests that prove them. */
import type { Elsewhere } from "../wire/elsewhere.ts";

export const ELSEWHERE: readonly Elsewhere[] = [
  {
    rule: "A browser's `EventSource` hears the events of a program as they come, by each interface",
    source: "HTML 9.2",
    file: "tests/interfaces/browser_test.ts",
    test: "a page hears server-sent events through each interface",
  },
  {
    rule: "A browser's `WebSocket` talks with a server, under a path and under a host of its own",
    source: "RFC 6455",
    file: "tests/interfaces/browser_test.ts",
    test: "a page talks with a server over a WebSocket",
  },
];
