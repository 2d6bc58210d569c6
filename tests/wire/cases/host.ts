/** Host: RFC 9112 section 3.2, RFC 9110 section 7.2. */
import { type Chapter, ECHO, refused, taken, WEB_HOST } from "../case.ts";

const lines = (...fields: string[]) => [`GET /${ECHO}/ HTTP/1.1`, ...fields, "", ""].join("\r\n");
const at = (host: string) => `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const BY_PATH = { method: "GET", target: `/${ECHO}/` };
const BY_HOST = { method: "GET", target: "/x" };

export const HOST: Chapter = {
  title: "Host",
  about:
    "HTTP/1.1 has exactly one, and it is a host. An absolute target's authority takes its place.",
  cases: [
    refused("no Host", lines(), "RFC 9112 3.2; Http11Probe RFC9112-7.1-MISSING-HOST"),
    refused(
      "Host twice",
      lines("Host: a", "Host: b"),
      "RFC 9112 3.2; Http11Probe RFC9110-5.4-DUPLICATE-HOST",
    ),
    refused(
      "Host twice with one value",
      lines("Host: a", "Host: a"),
      "Http11Probe COMP-DUPLICATE-HOST-SAME",
    ),
    refused("an empty Host", lines("Host:"), "RFC 9112 3.2; Http11Probe COMP-HOST-EMPTY-VALUE"),
    refused("Host with a path", lines(`Host: a/${ECHO}`), "Http11Probe COMP-HOST-WITH-PATH"),
    refused("Host with a query", lines("Host: a?b"), "RFC 9112 3.2"),
    refused("Host with a backslash", lines("Host: a\\b"), "RFC 9112 3.2"),
    refused(
      "Host with userinfo",
      lines("Host: me@a"),
      "RFC 9110 4.2.4; Http11Probe COMP-HOST-WITH-USERINFO",
    ),
    refused("Host with a scheme", lines("Host: http://a"), "RFC 9112 3.2"),
    refused("Host with two hosts", lines("Host: a, b"), "Http11Probe SMUG-MULTIPLE-HOST-COMMA"),
    refused("Host with a space", lines("Host: a b"), "RFC 9112 3.2"),
    refused("Host with NUL", lines("Host: google.com\0.example"), "http-garden transducer bug 12"),
    refused("Host with octets beyond ASCII", lines("Host: \xffa\xff"), "http-garden server bug 46"),
    refused("Host with a port beyond 65535", lines("Host: a:65536"), "RFC 3986 3.2.3"),
    refused("Host with a port that is no number", lines("Host: a:80x"), "RFC 3986 3.2.3"),
    refused("Host with two ports", lines("Host: a:80:80"), "RFC 3986 3.2.3"),
    refused("Host with a broken IPv6 address", lines("Host: [::1"), "RFC 3986 3.2.2"),
    refused("Host with an IPv6 address without brackets", lines("Host: ::1"), "RFC 3986 3.2.2"),
    refused("a space between Host and its colon", lines("Host : a"), "RFC 9112 5.1"),
    refused(
      "no Host with an absolute target",
      `GET http://a/${ECHO}/ HTTP/1.1\r\n\r\n`,
      "RFC 9112 3.2",
    ),
    refused(
      "Host with a path beside an absolute target",
      `GET http://a/${ECHO}/ HTTP/1.1\r\nHost: a/b\r\n\r\n`,
      "RFC 9112 3.2",
    ),
    taken("Host with an empty port", lines("Host: a:"), "RFC 3986 3.2.3", BY_PATH),
    taken("Host with an IPv6 address", lines("Host: [::1]:8402"), "RFC 3986 3.2.2", BY_PATH),
    taken("a deployment's own host", at(`${ECHO}.${WEB_HOST}`), "RFC 9110 7.2", BY_HOST),
    taken(
      "a deployment's own host with a port",
      at(`${ECHO}.${WEB_HOST}:80`),
      "RFC 9110 7.2",
      BY_HOST,
    ),
    taken(
      "a deployment's own host in capitals",
      at(`${ECHO}.${WEB_HOST.toUpperCase()}`),
      "RFC 9110 4.2.3",
      BY_HOST,
    ),
    taken(
      "X-Forwarded-Host from a stranger names no host",
      lines("Host: a", `X-Forwarded-Host: ${ECHO}.${WEB_HOST}`),
      "RFC 7239 8.1",
      BY_PATH,
    ),
    taken(
      "HTTP/1.0 without Host",
      `GET /${ECHO}/ HTTP/1.0\r\n\r\n`,
      "RFC 9112 3.2; Http11Probe COMP-HTTP10-NO-HOST",
      BY_PATH,
      "closed",
    ),
    refused(
      "HTTP/1.0 with a Host that is none",
      `GET /${ECHO}/ HTTP/1.0\r\nHost: a/b\r\n\r\n`,
      "RFC 9112 3.2",
    ),
  ],
};
