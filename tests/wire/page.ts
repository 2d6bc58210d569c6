/** `deno task docs`: writes docs/http.md from the cases of this folder. */
import { fileURLToPath } from "node:url";
import { table } from "../../tools/exit_codes.ts";
import type { Chapter, Verdict, WireCase } from "./case.ts";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";

export const HTTP_PAGE_PATH = fileURLToPath(new URL("../../docs/http.md", import.meta.url));

const aboutIt = (count: number) => [
  "A request is what RFC 9112 says it is, to the letter, or it is refused and its connection " +
  "closed: where two readers could differ about where a request ends, the provider does not " +
  `guess. Each of these ${count} rows is a step of \`tests/wire/wire_test.ts\` of the same name: ` +
  "it sends the octets of the row over a socket to a provider that serves a program, reads the " +
  "answers strictly, compares what the program was given, and counts who was charged. " +
  "`deno task test:wire` sends random requests besides, to the provider and to Node's parser.",
  '"Taken" means that the program got the request and its answer came; "kept", that the ' +
  'connection then answered another request; "closed", that nothing else of the connection was ' +
  "taken for a request.",
  "Sources: RFC 9112 (HTTP/1.1), 9110 (semantics), 9113 (HTTP/2), 3986 (URIs), 3875 (CGI); the " +
  "bugs listed by [http-garden](https://github.com/narfindustries/http-garden) by number; tests " +
  "of [Http11Probe](https://github.com/MDA2AV/Http11Probe), " +
  "[llhttp](https://github.com/nodejs/llhttp) and PortSwigger's " +
  "[http-request-smuggler](https://github.com/PortSwigger/http-request-smuggler) by name.",
];

/** The page as it should stand in docs/. */
export function httpPage(): string {
  const count = CHAPTERS.reduce((sum, { cases }) => sum + cases.length, 0);
  return `# HTTP/1: what the provider takes, refuses and answers

Written by \`deno task docs\` from \`tests/wire/cases\`; don't edit.

${aboutIt(count).map(wrapped).join("\n\n")}

${CHAPTERS.map(section).join("\n\n")}

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

const escaped = (text: string) => text.replace(/[|\\`*_[\]<>]/g, (char) => `\\${char}`);

/** In lines of at most 100 columns, as `deno fmt` has them. */
function wrapped(text: string): string {
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
