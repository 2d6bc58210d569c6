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
  {
    rule: "A head that is not whole after ten seconds is answered 408, and the connection closed",
    source: "RFC 9110 15.5.9",
    file: "tests/wire/limits_test.ts",
    test: "whoever does not finish a head is sent away in time, however it dawdles",
  },
  {
    rule: "Connections of one network are bounded",
    source: "RFC 9112 9.4",
    file: "tests/wire/limits_test.ts",
    test: "one network has so many connections, and others are served once it lets go",
  },
  {
    rule: "Nothing is left of those who hang up, stall, reset or send nonsense",
    source: "RFC 9112 9.5",
    file: "tests/wire/census_test.ts",
    test: "nothing is left of those who gave up",
  },
  {
    rule: "Random connections are read as Node's parser and the grammar of RFC 9112 read them",
    source: "RFC 9112",
    file: "tests/wire/fuzz_test.ts",
    test: "random connections are read as the reference reads them, or refused",
  },
  {
    rule: "Who takes nothing of a WebSocket holds up who sends, both ways",
    source: "RFC 6455 1.5",
    file: "lib/provider/wire/switching_test.ts",
    test: "who takes nothing holds up who sends, both ways",
  },
  {
    rule: "What a program said last in a WebSocket arrives, whatever its caller still sends",
    source: "RFC 6455 7.1.1",
    file: "lib/provider/wire/switching_test.ts",
    test: "what a program said last arrives, whatever its caller still sends",
  },
  {
    rule: "WebSockets are spoken with TLS and without it",
    source: "RFC 6455 3",
    file: "lib/provider/wire/switching_test.ts",
    test: "real WebSockets talk, without TLS and with it",
  },
];
