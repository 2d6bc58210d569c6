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
    rule: "A network that the operator has denied is answered 403, before its body is read",
    source: "RFC 9110 15.5.4",
    file: "lib/provider/door/denials_test.ts",
    test: "a denied network is refused on every path but the way out, before a body is read",
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
  {
    rule:
      "A signed CAR at `POST /ipfs` is 201 when it is kept, 200 when it was, and says until when",
    source: "RFC 9110 15.3.2",
    file: "lib/provider/door/push_routes_test.ts",
    test: "a signed push is taken as it is sent, and its answer says how long it stays",
  },
  {
    rule: "`HEAD /ipfs`, signed, is 200 with `Upload-Offset`: so much of the CAR is here",
    source: "RFC 9110 9.3.2",
    file: "lib/provider/door/push_routes_test.ts",
    test: "how much is here is told to whoever would push it",
  },
  {
    rule: "A push that is larger than what is kept is 413 before its body is read",
    source: "RFC 9110 15.5.14",
    file: "lib/provider/door/push_routes_test.ts",
    test: "its size is bounded by what is kept, not by what calls may send",
  },
  {
    rule:
      "A provider that keeps nothing is 404 at `/ipfs`, one to which the owner allows too little 402",
    source: "RFC 9110 15.5",
    file: "lib/provider/door/push_routes_test.ts",
    test: "a provider that keeps nothing says so, and one that refuses says why",
  },
  {
    rule: "`POST /dry-run`, signed by the owner, is 200, or what a caller would be refused with",
    source: "RFC 9110 15",
    file: "lib/provider/door/dry_run_route_test.ts",
    test: "what a caller is refused with is the answer, in the same words",
  },
  {
    rule:
      "`POST /names`, signed, is 200; a change out of its order is 409 and says how the name stands",
    source: "RFC 9110 15.5.10",
    file: "lib/provider/door/name_routes_test.ts",
    test: "what is no change of the owner's is refused, and says how the name stands",
  },
  {
    rule: "A provider that has no names has nothing at `/names`: 404",
    source: "RFC 9110 15.5.5",
    file: "lib/provider/door/name_routes_test.ts",
    test: "without names there are none",
  },
  {
    rule: "A provider that gives out no content has nothing below `/ipfs/`: 404",
    source: "RFC 9110 15.5.5",
    file: "lib/provider/door/content_routes_test.ts",
    test: "a provider that gives nothing out has nothing, whatever is asked",
  },
];
