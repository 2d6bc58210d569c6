/** Transfer-Encoding beside and without Content-Length: RFC 9112 sections 6.1 and 6.3. */
import {
  type Chapter,
  ECHO,
  get,
  post,
  refused,
  request,
  SMUGGLED,
  spoiled,
  taken,
} from "../case.ts";

const BODY = "3\r\nabc\r\n0\r\n\r\n";
const POSTED = { method: "POST", body: "abc" };
const coded = (value: string) => post(BODY, `Transfer-Encoding: ${value}`);
const LENGTH = "Content-Length: 5";
const CHUNKED = "Transfer-Encoding: chunked";

/** Values that somebody somewhere takes for "chunked", and somebody else does not. */
const OBFUSCATED = [
  ["xchunked", "xchunked", "Http11Probe SMUG-TE-XCHUNKED"],
  ["chunkedx", "chunkedx", "PortSwigger http-request-smuggler"],
  ["identity", "identity", "RFC 9112 7; Http11Probe SMUG-TE-IDENTITY"],
  ["a word that nobody knows", "blegh", "http-garden server bug 44"],
  ["chunked, identity", "chunked, identity", "RFC 9112 6.3; Http11Probe SMUG-TE-NOT-FINAL-CHUNKED"],
  ["identity, chunked", "identity, chunked", "PortSwigger http-request-smuggler"],
  ["chunked twice", "chunked, chunked", "RFC 9112 6.1; Http11Probe SMUG-TE-DOUBLE-CHUNKED"],
  ["chunkedchunked", "chunkedchunked", "llhttp test/request/transfer-encoding.md"],
  ["a comma before it", ",chunked", "http-garden server bug 21; Http11Probe SMUG-TE-LEADING-COMMA"],
  ["a comma after it", "chunked,", "Http11Probe SMUG-TE-TRAILING-COMMA"],
  ["quotes", '"chunked"', "PortSwigger http-request-smuggler quoted"],
  ["apostrophes", "'chunked'", "PortSwigger http-request-smuggler aposed"],
  ["parameters", "chunked;q=1", "Http11Probe SMUG-CHUNKED-WITH-PARAMS"],
  ["two words", "x chunked", "PortSwigger http-request-smuggler"],
  ["a tab after it", "chunked\t", "PortSwigger http-request-smuggler tabsuffix"],
  ["a vertical tab", "\x0bchunked", "Http11Probe SMUG-TE-VTAB"],
  ["a form feed", "\x0cchunked", "Http11Probe SMUG-TE-FORMFEED"],
  ["NUL", "chunked\0", "Http11Probe SMUG-TE-NULL"],
  ["a no-break space", "\xa0chunked\xa0", "http-garden server bug 12"],
  ["octets beyond ASCII", "\xffchunked\xff", "http-garden server bug 46"],
  ["no value", "", "Http11Probe SMUG-TE-EMPTY-VALUE"],
  ["a folded value", "\r\n chunked", "CVE-2022-32215; Http11Probe SMUG-TE-OBS-FOLD"],
  ["a CR after it", "chunked\r", "PortSwigger http-request-smuggler 0dsuffix"],
] as const;

const BOTH = [
  ["Content-Length, then Transfer-Encoding", [LENGTH, CHUNKED], "0\r\n\r\n"],
  ["Transfer-Encoding, then Content-Length", [CHUNKED, LENGTH], "0\r\n\r\n"],
] as const;

export const CODINGS: Chapter = {
  title: "Transfer-Encoding",
  about:
    "`chunked`, once, and never beside a length. What could be read in two ways is refused, and " +
    "what follows it on the connection is not read at all.",
  cases: [
    ...BOTH.map(([what, fields, body]) =>
      refused(what, post(body, ...fields), "RFC 9112 6.3; http-garden transducer bug 23")
    ),
    refused(
      "a request behind the last chunk that the length covers (CL.TE)",
      post(`0\r\n\r\n${SMUGGLED}`, `Content-Length: ${5 + SMUGGLED.length}`, CHUNKED),
      "CVE-2019-15605; Http11Probe SMUG-CLTE-SMUGGLED-GET",
    ),
    refused(
      "a request in a chunk that the length cuts short (TE.CL)",
      post(
        `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
        "Content-Length: 4",
        CHUNKED,
      ),
      "Http11Probe SMUG-TECL-SMUGGLED-GET",
    ),
    refused(
      "both, and Connection: close",
      post(`0\r\n\r\n${SMUGGLED}`, LENGTH, CHUNKED, "Connection: close"),
      "Http11Probe SMUG-CLTE-CONN-CLOSE",
    ),
    refused(
      "both in a GET",
      request("GET", `/${ECHO}/`, [LENGTH, CHUNKED]) + `0\r\n\r\n${SMUGGLED}`,
      "Http11Probe SMUG-CLTE-PIPELINE",
    ),
    refused(
      "both in OPTIONS, one of them folded",
      request("OPTIONS", `/${ECHO}/`, ["Transfer-Encoding:\r\n chunked", LENGTH]) + "hello",
      "Http11Probe SMUG-OPTIONS-TE-OBS-FOLD",
    ),
    refused(
      "an unknown coding beside a length",
      post("hello", "Transfer-Encoding: ,chunked", LENGTH),
      "http-garden transducer bug 15",
      [400, 501],
    ),
    ...OBFUSCATED.map(([what, value, source]) =>
      spoiled(`Transfer-Encoding with ${what}`, coded(value), source, [400, 501])
    ),
    refused(
      "Transfer-Encoding twice",
      post(BODY, CHUNKED, CHUNKED),
      "http-garden server bug 11; CVE-2022-32213",
      [400, 501],
    ),
    refused(
      "chunked and another coding in two lines",
      post(BODY, CHUNKED, "Transfer-Encoding: identity"),
      "CVE-2022-32213; Http11Probe SMUG-TE-DUPLICATE-HEADERS",
      [400, 501],
    ),
    refused(
      "gzip below chunked",
      post(BODY, "Transfer-Encoding: gzip, chunked"),
      "RFC 9112 6.1; Http11Probe COMP-UNKNOWN-TE-501",
      [400, 501],
    ),
    refused(
      "a space before the colon of Transfer-Encoding",
      post(BODY, "Transfer-Encoding : chunked"),
      "CVE-2021-22959; Http11Probe SMUG-TE-SP-BEFORE-COLON",
    ),
    refused(
      "Transfer-Encoding in HTTP/1.0",
      `POST /${ECHO}/ HTTP/1.0\r\n${CHUNKED}\r\n\r\n${BODY}`,
      "RFC 9112 6.1; Http11Probe SMUG-TE-HTTP10",
    ),
    refused(
      "Transfer-Encoding and a length in HTTP/1.0",
      `POST /${ECHO}/ HTTP/1.0\r\n${CHUNKED}\r\n${LENGTH}\r\n\r\nhello`,
      "RFC 9112 6.1",
    ),
    taken(
      "Transfer-Encoding: chunked",
      coded("chunked"),
      "RFC 9112 7.1; Http11Probe COMP-CHUNKED-BODY",
      POSTED,
    ),
    taken(
      "chunked in any case",
      coded("cHuNkEd"),
      "RFC 9112 7; Http11Probe SMUG-TE-CASE-MISMATCH",
      POSTED,
    ),
    taken(
      "white space around chunked",
      coded("\t chunked "),
      "RFC 9110 5.5; Http11Probe SMUG-TE-TAB-BEFORE-VALUE",
      POSTED,
    ),
    taken(
      "a chunked body, and a request after it",
      `${coded("chunked")}${get(`/${ECHO}/next`)}`,
      "RFC 9112 9.3.2",
      [
        POSTED,
        { method: "GET", target: `/${ECHO}/next` },
      ],
    ),
  ],
};
