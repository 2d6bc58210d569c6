/** Rows of docs/http.md that need more than octets on a socket, and the tests that prove them. */

export interface Elsewhere {
  readonly rule: string;
  readonly source: string;
  readonly file: string;
  /** The test's own name, as it stands in the file. */
  readonly test: string;
}

export const ELSEWHERE: readonly Elsewhere[] = [
  {
    rule: "curl takes an answer that a limit cuts off for no whole one, with HTTP/1.0 and 1.1",
    source: "RFC 9112 8",
    file: "tests/wire/curl_test.ts",
    test: "curl sees that an answer was cut off, whatever HTTP it speaks",
  },
];
