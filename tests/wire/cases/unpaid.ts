/** Calls that nobody pays: what is said, and when. */
import { REQUEST_TARGET_BYTES_MAX } from "../../../lib/limits.ts";
import { answered, type Chapter, PAID, request, type Verdict } from "../case.ts";

const call = (method: string, ...fields: string[]) => request(method, `/${PAID}/`, fields);
const JSON_402 = { status: 402, fields: { "content-type": ["application/json"] } };
const refusal = (method = "GET"): Verdict[] => [{ method, ...JSON_402 }];
const LONG = `/${PAID}/?${"x".repeat(REQUEST_TARGET_BYTES_MAX - PAID.length - 3)}`;
/** As Chromium sends when a link is followed. */
const NAVIGATION = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

export const UNPAID: Chapter = {
  title: "402",
  about:
    "A call that nobody pays for is refused by its head alone. Nothing of its body is waited " +
    "for or kept: who then pays sends it again.",
  cases: [
    answered("a GET", call("GET"), "RFC 9110 15.5.3", refusal(), "kept"),
    answered("a HEAD", call("HEAD"), "RFC 9110 9.3.2", refusal("HEAD"), "kept"),
    answered(
      "a body that is there",
      `${call("POST", "Content-Length: 3")}abc`,
      "RFC 9112 9.6",
      refusal(),
      "kept or closed",
    ),
    answered(
      "a body that is announced and does not come",
      call("POST", "Content-Length: 3"),
      "RFC 9112 9.6",
      refusal(),
      "closed",
    ),
    answered(
      "a large body, of which the beginning has come",
      call("POST", "Content-Length: 15000000") + "x".repeat(10_000),
      "RFC 9112 9.6",
      refusal(),
      "closed",
    ),
    answered(
      "a chunked body that has begun",
      `${call("POST", "Transfer-Encoding: chunked")}3\r\nabc\r\n`,
      "RFC 9112 9.6",
      refusal(),
      "closed",
    ),
    answered(
      "a chunked body that waits for 100 Continue",
      call("POST", "Transfer-Encoding: chunked", "Expect: 100-continue"),
      "RFC 9110 10.1.1",
      refusal(),
      "closed",
    ),
    answered("the longest target", request("GET", LONG), "RFC 9110 4.1", refusal(), "kept"),
    answered(
      "a browser that goes to a page",
      call("GET", NAVIGATION),
      "RFC 9110 12.5.1",
      [{
        method: "GET",
        status: 402,
        fields: {
          "content-type": ["text/html; charset=utf-8"],
          "vary": ["accept"],
          "cache-control": ["no-store"],
        },
      }],
      "kept",
    ),
    answered(
      "a script of a page",
      call("GET", "Accept: */*", "Origin: https://a.example"),
      "RFC 6454 7",
      [{
        method: "GET",
        status: 402,
        fields: { ...JSON_402.fields, "access-control-allow-origin": ["*"] },
      }],
      "kept",
    ),
  ],
};
