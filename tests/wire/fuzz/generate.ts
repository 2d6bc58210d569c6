/** Random requests, sound ones and what becomes of them when somebody meddles with their octets. */
import type { Random } from "../../../worlds/random.ts";

export interface Attempt {
  /** The octets of the connection, in the pieces in which they are sent. */
  readonly pieces: readonly string[];
}

const METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
const TARGETS = ["/", "/a?b=c", "/%2e%2e/x", "/a//b", "/'\"\\", "/?", "http://h/a", "/a;b=1"];
const FIELDS = [
  "X-A: b",
  "x-a:b",
  "X-Empty:",
  "Accept: */*",
  "X-Space: \t a b ",
  "Cookie: a=b; c=d",
  "Connection: keep-alive",
  "Connection: close",
  "Connection: x-a",
  "Content-Type: text/plain",
  "TE: trailers",
  "Trailer: X-T",
  "X-Latin: caf\xe9",
];
/** What an attacker puts in: line ends, lengths, codings, separators and what looks like them. */
const WEDGES = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  "\x0b",
  "\x0c",
  "\x85",
  "\xa0",
  "\xff",
  "\x7f",
  ":",
  ";",
  ",",
  '"',
  "+",
  "-",
  "_",
  "0x",
  "0",
  "5",
  "f",
  "#",
  "*",
  "Content-Length: 3\r\n",
  "Content-Length: 0\r\n",
  "content-length:5\r\n",
  "Content-Length: 3, 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "transfer-encoding:\tchunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding: chunked, chunked\r\n",
  "Host: b\r\n",
  "Expect: 100-continue\r\n",
  "Connection: upgrade\r\nUpgrade: h2c\r\n",
  "X-Fold: a\r\n b\r\n",
  "0\r\n\r\n",
  "3\r\nabc\r\n",
  "GET /wedged HTTP/1.1\r\nHost: h\r\n\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  ";a=b",
];

export function attempt(random: Random): Attempt {
  const requests = Array.from({ length: random.between(1, 4) }, () => request(random));
  const sound = random.chance(0.2) ? requests.length : random.between(0, requests.length - 1);
  const whole = requests.slice(0, sound).join("");
  let rest = requests.slice(sound).join("");
  if (rest !== "") {
    for (let times = random.between(1, 3); times > 0; times--) rest = meddled(random, rest);
  }
  return { pieces: split(random, whole + rest) };
}

function request(random: Random): string {
  const fields = ["Host: h"];
  for (let count = random.between(0, 3); count > 0; count--) fields.push(random.pick(FIELDS));
  const isClosing = fields.some((field) => /close/.test(field));
  if (isClosing) fields.splice(fields.findIndex((field) => /close/.test(field)), 1);
  const text = content(random);
  const kind = random.between(0, 3);
  let body = "";
  if (kind === 1) {
    fields.push(`Content-Length: ${text.length}`);
    body = text;
  }
  if (kind === 2) {
    fields.push("Transfer-Encoding: chunked");
    body = chunks(random, text);
  }
  const line = `${random.pick(METHODS)} ${random.pick(TARGETS)} HTTP/1.1`;
  return `${[line, ...shuffled(random, fields)].join("\r\n")}\r\n\r\n${body}`;
}

const CONTENTS = [
  "",
  "a",
  "abc",
  "0\r\n\r\n",
  "GET /inner HTTP/1.1\r\nHost: h\r\n\r\n",
  "\0\xff\r\n",
];

const content = (random: Random) =>
  random.pick(CONTENTS).repeat(random.chance(0.1) ? random.between(2, 6) : 1);

function chunks(random: Random, text: string): string {
  let body = "";
  for (let at = 0; at < text.length;) {
    const size = random.between(1, text.length - at);
    const hex = size.toString(16);
    const extension = random.chance(0.1) ? ";a=b" : "";
    body += `${random.chance(0.2) ? `0${hex}` : hex}${extension}\r\n${
      text.slice(at, at + size)
    }\r\n`;
    at += size;
  }
  return `${body}0\r\n${random.chance(0.15) ? "X-T: y\r\n" : ""}\r\n`;
}

function shuffled(random: Random, items: readonly string[]): string[] {
  const keyed = items.map((item) => [random.next(), item] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

/** One change, mostly where lines, names and values meet. */
function meddled(random: Random, octets: string): string {
  const at = place(random, octets);
  const end = Math.min(octets.length, at + random.between(1, random.chance(0.8) ? 3 : 40));
  const [before, within, after] = [octets.slice(0, at), octets.slice(at, end), octets.slice(end)];
  switch (random.between(0, 7)) {
    case 0:
      return before + after;
    case 1:
      return before + within + within + after;
    case 2:
      return before + String.fromCharCode(random.between(0, 255)) + octets.slice(at + 1);
    case 3:
      return before;
    case 4:
      return octets.replace("\r\n", random.pick(["\n", "\r", "\r\r\n", "\n\r"]));
    case 5:
      return octets.replace(
        /[A-Za-z]{3,}/g,
        (word) => random.chance(0.2) ? word.toUpperCase() : word,
      );
    default:
      return before + random.pick(WEDGES) + octets.slice(at);
  }
}

function place(random: Random, octets: string): number {
  const joints = [...octets.matchAll(/\r\n|[: ;,]/g)].map(({ index }) => index);
  if (joints.length === 0 || random.chance(0.3)) return random.between(0, octets.length);
  return Math.min(octets.length, random.pick(joints) + random.between(0, 2));
}

function split(random: Random, octets: string): string[] {
  const cuts = Array.from({ length: random.between(0, 4) }, () => random.between(1, octets.length));
  const ends = [...new Set([...cuts, octets.length])].sort((a, b) => a - b);
  return ends.map((end, index) => octets.slice(ends[index - 1] ?? 0, end)).filter((each) => each);
}
