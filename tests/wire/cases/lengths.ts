/** Content-Length: RFC 9112 section 6.2, RFC 9110 section 8.6. */
import { answered, type Chapter, ECHO, get, post, refused, SMUGGLED, taken } from "../case.ts";

const POSTED = { method: "POST", body: "abc" };
const of = (value: string) => post("abc", `Content-Length: ${value}`);

const MALFORMED = [
  ["a plus sign", "+3", "Http11Probe RFC9112-6.1-CL-PLUS-SIGN; CVE-2018-7159"],
  ["a negative length", "-3", "Http11Probe SMUG-CL-NEGATIVE"],
  ["minus zero", "-0", "Http11Probe SMUG-CL-NEGATIVE-ZERO"],
  ["two numbers", "3 3", "Http11Probe SMUG-CL-INTERNAL-SPACE; CVE-2018-7159"],
  ["hexadecimal", "0x3", "CVE-2023-38697; Http11Probe SMUG-CL-HEX-PREFIX"],
  ["an underscore", "0_3", "http-garden server bug 10"],
  ["a decimal point", "3.0", "PortSwigger http-request-smuggler CL-dec"],
  ["an exponent", "3e0", "PortSwigger http-request-smuggler CL-e"],
  ["a letter after the number", "3Z", "http-garden server bug 29"],
  ["a word", "abc", "Http11Probe RFC9112-6.1-CL-NON-NUMERIC"],
  ["no value", "", "http-garden server bug 16; Http11Probe MAL-CL-EMPTY"],
  ["a list of equal numbers", "3, 3", "RFC 9110 8.6; Http11Probe SMUG-CL-COMMA-SAME"],
  ["a list of different numbers", "3, 5", "Http11Probe SMUG-CL-COMMA-DIFFERENT"],
  ["a comma before the number", ",3", "PortSwigger http-request-smuggler CL-commaprefix"],
  ["a comma after the number", "3,", "PortSwigger http-request-smuggler CL-commasuffix"],
  ["a tab after the number", "3\t", "llhttp test/request/content-length.md"],
  ["a vertical tab", "\x0b3", "RFC 9110 5.5"],
  ["a no-break space", "\xa03", "http-garden server bug 41"],
  ["more than 64 bits", "18446744073709551619", "RFC 9110 8.6; Http11Probe MAL-CL-OVERFLOW"],
  ["sixty digits", "9".repeat(60), "RFC 9110 8.6"],
] as const;

export const LENGTHS: Chapter = {
  title: "Content-Length",
  about: "Decimal digits, once. Whatever else it says, the request is refused and nothing follows.",
  cases: [
    ...MALFORMED.map(([what, value, source]) =>
      refused(`Content-Length with ${what}`, of(value), source)
    ),
    refused(
      "Content-Length twice with one value",
      post("abc", "Content-Length: 3", "Content-Length: 3"),
      "RFC 9110 8.6; Http11Probe SMUG-DUPLICATE-CL",
    ),
    refused(
      "Content-Length twice, the first is right",
      post(SMUGGLED, `Content-Length: ${SMUGGLED.length}`, "Content-Length: 0"),
      "http-garden server bug 33",
    ),
    refused(
      "Content-Length twice, the last is right",
      post(SMUGGLED, "Content-Length: 0", `Content-Length: ${SMUGGLED.length}`),
      "http-garden server bug 23",
    ),
    refused(
      "an empty Content-Length before another",
      post(SMUGGLED, "Content-Length:", `Content-Length: ${SMUGGLED.length}`),
      "http-garden server bug 42",
    ),
    refused(
      "a space before the colon of Content-Length",
      post("abc", "Content-Length : 3"),
      "http-garden server bug 3; Http11Probe NORM-SP-BEFORE-COLON-CL",
    ),
    refused("a folded Content-Length", post("abc", "Content-Length:\r\n 3"), "RFC 9112 5.2"),
    refused(
      "Content-Length without a colon",
      post("abc", "Content-Length 3"),
      "http-garden server bug 28",
    ),
    taken("Content-Length: 3", of("3"), "RFC 9112 6.2", POSTED),
    taken("its name in any case", post("abc", "cOnTeNt-LeNgTh: 3"), "RFC 9110 5.1", POSTED),
    taken(
      "zeros before the number",
      of("003"),
      "RFC 9110 8.6; Http11Probe SMUG-CL-LEADING-ZEROS",
      POSTED,
    ),
    taken(
      "zeros do not make it octal",
      post("01234567XY", "Content-Length: 010"),
      "http-garden server bug 32; Http11Probe SMUG-CL-OCTAL",
      { method: "POST", body: "01234567XY" },
    ),
    taken(
      "white space around the number",
      of("\t 3 "),
      "RFC 9110 5.5; Http11Probe MAL-CL-TAB-BEFORE-VALUE",
      POSTED,
    ),
    taken(
      "Content-Length: 0, and a request after it",
      `${post("", "Content-Length: 0")}${get(`/${ECHO}/next`)}`,
      "http-garden server bug 48",
      [
        { method: "POST", body: "" },
        { method: "GET", target: `/${ECHO}/next` },
      ],
    ),
    taken(
      "a POST without a length has no body",
      `${post("")}${get(`/${ECHO}/next`)}`,
      "RFC 9112 6.3",
      [
        { method: "POST", body: "" },
        { method: "GET", target: `/${ECHO}/next` },
      ],
    ),
    answered(
      "more octets than announced are the next request, and none",
      post("abcdef\r\n\r\n", "Content-Length: 3"),
      "RFC 9112 6.3",
      [
        { method: "POST", status: 200, seen: POSTED },
        { method: "GET", status: 400, isOptional: true },
      ],
      "closed",
    ),
    refused(
      "more than the provider takes is refused unread",
      post("", "Content-Length: 16777217"),
      "RFC 9110 15.5.14",
      413,
    ),
    refused(
      "as much as 63 bits can say",
      post("", "Content-Length: 9223372036854775807"),
      "Http11Probe MAL-POST-CL-HUGE-NO-BODY",
      [400, 413],
    ),
  ],
};
