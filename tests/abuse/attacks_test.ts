/** The list of attacks in docs/attacks.md names every case there is, and no other. */
import assert from "node:assert/strict";
import { allCases } from "./cases.ts";
import { EGRESS_CASES } from "./egress_cases.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("docs/attacks.md names all cases, and files that exist", async () => {
  const text = await Deno.readTextFile(new URL("docs/attacks.md", ROOT));
  const rows = text.split("\n").filter((line) => /^\| [ES]?\d/.test(line));
  const named = new Set(
    rows.flatMap((row) => [...row.split("|").at(-2)!.matchAll(/`([^`]+)`/g)].map((m) => m[1]!)),
  );
  const files = [...named].filter((name) => name.includes("/"));
  for (const file of files) assert((await Deno.stat(new URL(file, ROOT))).isFile, file);
  const around = { keyFile: "", otherProgram: "", loopbackPort: 0 };
  const attacks = new Set([...allCases(around), ...EGRESS_CASES].map(({ attack }) => attack));
  assert.deepEqual(named.difference(new Set(files)), attacks);
});
