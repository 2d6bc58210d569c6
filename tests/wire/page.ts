/** `deno task docs`: writes docs/http.md from the cases of this folder. */
import { fileURLToPath } from "node:url";
import { table } from "../../tools/exit_codes.ts";
import type { Chapter, Verdict, WireCase } from "./case.ts";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import type { Http2Case, Http2Chapter } from "./http2/case.ts";
import { HTTP2_CHAPTERS } from "./http2/chapters.ts";

export const HTTP_PAGE_PATH = fileURLToPath(new URL("../../docs/http.md", import.meta.url));

const aboutIt = (count: number) => [
  "A request is what RFC 9112 and 9113 say it is, to the letter, or it is refused and its " +
  "connection closed: where two readers could differ about where a request ends, the provider " +
  `does not guess. Each of these ${count} rows is a step of the same name, in ` +
  "`tests/wire/wire_test.ts` or `http2_test.ts`: it sends the octets of the row over a socket to " +
  "a provider that serves a program, reads the answers strictly, compares what the program was " +
  "given, and counts who was charged. `deno task test:wire` sends random requests besides, and " +
  "compares with Node's parser.",
  '"Taken" means that the program got the request and its answer came; "kept", that the ' +
  'connection then answered another request; "closed", that nothing else of the connection was ' +
  "taken for a request.",
  "Sources: RFC 9112 (HTTP/1.1), 9110 (semantics), 9113 (HTTP/2), 3986 (URIs), 3875 (CGI); the " +
  "bugs listed by [http-garden](https://github.com/narfindustries/http-garden) by number; tests " +
  "of [Http11Probe](https://github.com/MDA2AV/Http11Probe), " +
  "[h2spec](https://github.com/summerwind/h2spec), " +
  "[llhttp](https://github.com/nodejs/llhttp) and PortSwigger's " +
  "[http-request-smuggler](https://github.com/PortSwigger/http-request-smuggler) by name.",
];

/** The page as it should stand in docs/. */
export function httpPage(): string {
  const chapters = [...CHAPTERS.map(section), ...HTTP2_CHAPTERS.map(http2Section)];
  const count = [...CHAPTERS, ...HTTP2_CHAPTERS]
    .reduce((sum, { cases }) => sum + cases.length, 0);
  return `# HTTP: what the provider takes, refuses and answers

Written by \`deno task docs\` from \`tests/wire/cases\`; don't edit.

${aboutIt(count).map(wrapped).join("\n\n")}

${chapters.join("\n\n")}

## Elsewhere

${
    table(
      ["rule", "source", "test"],
      ELSEWHERE.map(({ rule, source, file, test }) => [rule, source, `\`${file}\`: ${test}`]),
    )
  }
`;
}

function section({ title, about, cases }: Chapter): string {
  const rows = cases.map((each) => [escaped(each.name), outcome(each), escaped(each.source)]);
  return `## ${title}\n\n${wrapped(about)}\n\n${
    table(["what is sent", "outcome", "source"], rows)
  }`;
}

function http2Section({ title, about, cases }: Http2Chapter): string {
  const rows = cases.map(({ name, outcome, source }) => [
    escaped(name),
    HTTP2_OUTCOMES[outcome],
    escaped(source),
  ]);
  return `## ${title}\n\n${wrapped(about)}\n\n${
    table(["what is sent", "outcome", "source"], rows)
  }`;
}

const HTTP2_OUTCOMES: Readonly<Record<Http2Case["outcome"], string>> = {
  taken: "taken; kept",
  refused: "4xx, or an error of the stream",
  ended: "an error of the connection",
  ignored: "ignored; kept",
};

function outcome({ answers, then }: WireCase): string {
  const told = answers.map(answer);
  const [first] = told;
  const isSame = told.length > 1 && told.every((each) => each === first);
  const all = isSame ? `${first} ${told.length} times` : told.join(", then ");
  return `${all || "no answer"}; ${then}`;
}

function answer({ status, seen, isOptional, isCut }: Verdict): string {
  const allowed = typeof status === "number" ? [status] : status;
  const isPlain = seen !== undefined && allowed.includes(200);
  const what = isCut ? "cut off" : isPlain ? "taken" : allowed.join(" or ");
  return isOptional ? `${what} or no answer` : what;
}

export const escaped = (text: string) => text.replace(/[|\\`*_[\]<>]/g, (char) => `\\${char}`);

/** In lines of at most 100 columns, as `deno fmt` has them. */
export function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= 100) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

if (import.meta.main) await Deno.writeTextFile(HTTP_PAGE_PATH, httpPage());
