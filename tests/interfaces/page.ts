/** `deno task docs`: writes docs/interfaces.md from the rows of this folder. */
import { fileURLToPath } from "node:url";
import { table } from "../../tools/exit_codes.ts";
import { escaped, wrapped } from "../wire/page.ts";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import { type Chapter, INTERFACES } from "./row.ts";

export const PAGE_PATH = fileURLToPath(new URL("../../docs/interfaces.md", import.meta.url));

const aboutIt = (count: number) => [
  "What a program is given of a request, and what its caller gets of the answer, depends a little " +
  "on the interface: [when to choose which](developer.md#which-interface). Each cell of these " +
  `${count} rows is a step of the same name in \`tests/interfaces/interfaces_test.ts\`: it sends ` +
  "the row's octets over a socket to a provider that serves the same program by each interface, " +
  "reads the answer strictly, compares what the program was given, and counts who was charged: " +
  "400 and 501 are free, as is what the provider answers by itself.",
  "How a request has to look to be taken at all is on [a page of its own](http.md).",
];

/** The page as it should stand in docs/. */
export function interfacesPage(): string {
  const count = CHAPTERS.reduce((sum, { rows }) => sum + rows.length, 0);
  return `# Interfaces: what passes through each

Written by \`deno task docs\` from \`tests/interfaces/rows\`; don't edit.

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

function section({ title, about, rows }: Chapter): string {
  const head = ["request", ...INTERFACES, "source"];
  const cells = rows.map(({ name, outcomes, source }) => [
    escaped(name),
    ...INTERFACES.map((kind) => outcomes[kind].says),
    source,
  ]);
  return `## ${title}\n\n${wrapped(about)}\n\n${table(head, cells)}`;
}

if (import.meta.main) await Deno.writeTextFile(PAGE_PATH, interfacesPage());
