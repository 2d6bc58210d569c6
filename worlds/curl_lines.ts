/** Command lines for curl, made at random, with the files that they name. */
import fc from "fast-check";

/** Contents of the files that command lines name. */
export const FILES: Readonly<Record<string, Uint8Array>> = {
  "plain.txt": new TextEncoder().encode("one\r\ntwo\n"),
  "octets.bin": Uint8Array.from({ length: 600 }, (_, index) => index % 255 + 1),
  "a b'\"é.jpg": new TextEncoder().encode("JFIF"),
  "page.html": new TextEncoder().encode("<p>"),
  "noextension": new TextEncoder().encode("n=1&m=2"),
  "empty.pdf": new Uint8Array(),
  "zeros.bin": Uint8Array.of(1, 0, 2, 10, 0),
  "headers.txt": new TextEncoder().encode("X-File: one\r\nx-file: ü\n\nX-Last;\n"),
};

const NASTY = [
  "",
  "a",
  "a b",
  "=",
  "&",
  "a=1",
  "é",
  "%2F",
  "'\"\\",
  "\n",
  "#",
  "?",
  "x;y",
  "@",
  "+",
];
const text = (...more: string[]) =>
  fc.array(fc.constantFrom(...NASTY, ...more), { maxLength: 3 }).map((parts) => parts.join(""));
const file = () => fc.constantFrom(...Object.keys(FILES));
/** For -d: before 8 curl drops what follows a zero, or a lone carriage return, on its line. */
const textFile = () => file().filter((name) => !name.endsWith(".bin"));
const withFile = () =>
  fc.oneof(text(), text(), textFile().map((name) => `@${name}`), fc.constant("@-"));
const with1 = (flags: string[], value: fc.Arbitrary<string>) =>
  fc.tuple(fc.constantFrom(...flags), value, fc.boolean()).map(([flag, given, isGlued]) =>
    isGlued && !flag.startsWith("--") && given !== "" ? [flag + given] : [flag, given]
  );
const one = (...flags: string[]) => fc.constantFrom(...flags).map((flag) => [flag]);
const token = () =>
  fc.constantFrom(
    "X-A",
    "x-a",
    "Accept",
    "accept",
    "Host",
    "User-Agent",
    "Cookie",
    "Content-Type",
    "Referer",
    "Authorization",
    "Range",
    "Connection",
    "Accept-Encoding",
    "X_1.~",
  );
const line = () =>
  fc.array(fc.constantFrom("a", "1", " ", "é", ",", ";", "=", "\t", '"', "/"), {
    maxLength: 4,
  }).map((parts) => parts.join(""));

function header(): fc.Arbitrary<string> {
  const own = fc.tuple(token(), fc.constantFrom(": ", ":", ":  "), line()).map((parts) =>
    parts.join("")
  );
  const bare = fc.tuple(token(), fc.constantFrom(";", ":", ": ")).map((parts) => parts.join(""));
  const framing = fc.constantFrom(
    "Transfer-Encoding: chunked",
    "Content-Length: 0",
    "Content-Length: 1",
    "Expect:",
    "Content-Length:",
    "Expect: 100-continue",
  );
  return fc.oneof(own, own, own, bare, framing, fc.constant("@headers.txt"));
}

/** One name twice, in any two forms: which of them counts differs from name to name. */
function sameName(): fc.Arbitrary<string[]> {
  const form = fc.constantFrom(":", ": ", ";", ": a", ":b");
  return fc.tuple(token(), form, fc.boolean(), form).map(([name, first, isLower, second]) => [
    "-H",
    name + first,
    "-H",
    (isLower ? name.toLowerCase() : name) + second,
  ]);
}

function formField(): fc.Arbitrary<string> {
  const name = fc.constantFrom("a", "f[]", 'q"', "é", "b\\");
  const content = fc.oneof(
    text(),
    file().map((path) => `@${path}`),
    file().map((path) => `<${path}`),
    file().map((path) => `@"${path.replace('"', '\\"')}"`),
    fc.constant("@-"),
    fc.constant('"quoted;\\"value"'),
  );
  const behind = fc.constantFrom(
    "",
    "",
    "",
    ";type=text/x; charset=utf-8",
    ";filename=n.txt",
    ';filename="a\\"b"',
    ";headers=X-P: 1",
    ";type=a/b;filename=c",
    ";type=text/plain",
    ";none=1",
  );
  return fc.tuple(name, content, behind).map(([key, value, more]) => `${key}=${value}${more}`);
}

function option(): fc.Arbitrary<string[]> {
  const seconds = fc.constantFrom("0", "15", "20.5", ".5e", "30");
  return fc.oneof(
    { weight: 6, arbitrary: with1(["-d", "--data", "--data-ascii"], withFile()) },
    { weight: 4, arbitrary: with1(["--data-raw", "--data-binary", "--json"], withFile()) },
    {
      weight: 3,
      arbitrary: with1(
        ["--data-urlencode"],
        fc.oneof(text(), file().map((name) => `n@${name}`), text().map((value) => `=${value}`)),
      ),
    },
    { weight: 3, arbitrary: with1(["-F", "--form"], formField()) },
    { weight: 1, arbitrary: with1(["--form-string"], text("@x").map((value) => `s=${value}`)) },
    { weight: 2, arbitrary: with1(["-T", "--upload-file"], fc.oneof(file(), fc.constant("-"))) },
    { weight: 7, arbitrary: with1(["-H", "--header"], header()) },
    { weight: 2, arbitrary: sameName() },
    { weight: 2, arbitrary: with1(["-b", "--cookie"], line().map((value) => `c=${value}`)) },
    { weight: 2, arbitrary: with1(["-A", "--user-agent", "-e", "--referer"], line()) },
    { weight: 2, arbitrary: with1(["-u", "--user"], text().map((value) => `me:${value}`)) },
    { weight: 1, arbitrary: with1(["--oauth2-bearer"], fc.constantFrom("t", "a.b-c")) },
    { weight: 1, arbitrary: with1(["-r", "--range"], fc.constantFrom("0-5", "7", "-3", "0-1,4-")) },
    {
      weight: 3,
      arbitrary: with1(
        ["-X", "--request"],
        fc.constantFrom("GET", "PUT", "get", "TRACE", "OPTIONS", "DELETE", "X!", "post"),
      ),
    },
    { weight: 2, arbitrary: with1(["--url-query"], text().map((value) => `+${value}`)) },
    { weight: 1, arbitrary: with1(["--url-query"], text()) },
    { weight: 3, arbitrary: one("-G", "--get", "-I", "--head", "--no-get") },
    { weight: 2, arbitrary: one("--compressed", "--no-compressed", "--path-as-is", "-g") },
    { weight: 1, arbitrary: one("-k", "-L", "-N", "-#", "-sS", "-isSN", "-f", "--http1.1") },
    { weight: 1, arbitrary: one("--form-escape", "--no-keepalive", "--tcp-nodelay", "-sG") },
    { weight: 1, arbitrary: with1(["-m", "--connect-timeout"], seconds) },
  );
}

function url(): fc.Arbitrary<string> {
  const segment = fc.constantFrom(
    "a",
    "",
    ".",
    "..",
    "%2e%2e",
    "%41",
    "a'b",
    'q"',
    "\\",
    "é",
    "a;b",
    "~",
    "|",
    "[1]",
    "{x}",
    "\\[",
    "*",
    "<",
    "^",
    "`",
    " ",
  );
  const path = fc.array(segment, { maxLength: 4 }).map((parts) =>
    parts.map((part) => `/${part}`).join("")
  );
  const query = fc.constantFrom("", "", "?", "?q", "?a=1&", "?a=b?c", "?é='", "?x=%2f", "?/../");
  const fragment = fc.constantFrom("", "", "", "#", "#f?x", "#é");
  return fc.tuple(fc.constantFrom("ORIGIN", "ORIGIN"), path, query, fragment).map((parts) =>
    parts.join("")
  );
}

/** Options in any order with the URL among them. */
export function commandLine(): fc.Arbitrary<string[]> {
  const options = fc.array(option(), { maxLength: 4 });
  const target = fc.tuple(fc.boolean(), url()).map(([isNamed, text]) =>
    isNamed ? ["--url", text] : [text]
  );
  return fc.tuple(options, target, options).map(([before, given, behind]) => [
    ...before.flat(),
    ...given,
    ...behind.flat(),
  ]).filter((line) => !losesItsPath(line));
}

/** --path-as-is, which before 8 curl forgets when it puts a query or a name into the URL. */
function losesItsPath(line: readonly string[]): boolean {
  const isChanged = line.some((text) =>
    /^(?:-s?G|-T|--get$|--url-query$|--upload-file$)/.test(text)
  );
  return isChanged && line.includes("--path-as-is");
}
