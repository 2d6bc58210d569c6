/**
 * Every attack, as a real program through the real provider: on a deployment's first call and on a
 * later one, while a neighbour is called all the time and must not notice. Prints a table.
 */
import assert from "node:assert/strict";
import { eachWay } from "../../worlds/sandbox/ways.ts";
import { startMarket } from "../../worlds/market.ts";
import { livingProcesses } from "../../worlds/processes.ts";
import { allCases } from "./cases.ts";
import type { Answer, Case } from "./expect.ts";
import { startNeighbour } from "./neighbour.ts";
import { assertWorksOutside } from "./outside.ts";
import { buildAbuse, readFacts } from "./program.ts";

const ROOT = Deno.uid() === 0;

async function callCase(url: string, attack: Case): Promise<Answer> {
  const query = attack.argument ? `?arg=${encodeURIComponent(attack.argument)}` : "";
  const startedAt = performance.now();
  const response = await fetch(`${url}/${attack.attack}${query}`, {
    method: "POST",
    body: attack.body ?? null,
  });
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  let cut = false;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (text.length < 100_000) text += decoder.decode(chunk, { stream: true });
    }
  } catch {
    cut = true;
  }
  const ms = performance.now() - startedAt;
  const { status } = response;
  const error = status >= 400 ? JSON.parse(text) : {};
  return { status, error, facts: readFacts(text), bytes, cut, ms };
}

eachWay("no attack gets anywhere, the neighbour never notices", async (way, t) => {
  const { isSpare, ...launcher } = way;
  const sandbox = isSpare ? launcher : { ...launcher, spares: 0 };
  await using market = await startMarket({
    settings: { settlement: { mode: "batch" }, sandbox },
    credits: 40_000n,
  });
  const program = await buildAbuse();
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.writeFile(`${dir}/abuse`, program, { mode: 0o755 });
  await using neighbour = await startNeighbour(market);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const local = Deno.listen({ transport: "unix", path: "\0khachapuri-abuse" });
  const cases = allCases({
    keyFile: `${market.home}/keys.json`,
    otherProgram: await neighbour.program(),
    loopbackPort: listener.addr.port,
  });
  const base = await market.spec({ files: { main: program } });
  const rows: string[][] = [];

  for (const attack of cases) {
    await t.step(`${attack.what} (${attack.attack} ${attack.argument ?? ""})`, async () => {
      const control = ROOT ? await assertWorksOutside(`${dir}/abuse`, attack) : "ran: not root";
      const cid = await market.deploy({
        files: { main: program },
        fields: {
          program: base.program,
          env: { GRANTED: "1" },
          limits: {
            timeoutMs: attack.timeoutMs ?? 8_000,
            memoryMb: 256,
            concurrency: 4,
            ownerCreditsPerMinute: 10_000,
          },
        },
      });
      neighbour.reset();
      const answers: Answer[] = [];
      for (let call = 0; call < 2; call++) {
        const answer = await callCase(`${market.provider.url}/${cid}`, attack);
        answers.push(answer);
        attack.check(answer);
        assert.equal(await livingProcesses(`main -q .*${cid}`), "");
      }
      const { calls, slowestMs } = await neighbour.verdict();
      const took = answers.map(({ ms }) => `${ms.toFixed(0)} ms`);
      rows.push([attack.what, ...took, `${calls} calls, ${slowestMs.toFixed(0)} ms`, control]);
    });
  }
  listener.close();
  local.close();
  await Deno.remove(dir, { recursive: true });
  printTable(["attack", "first", "later", "neighbour", "control"], rows);
});

function printTable(head: string[], rows: string[][]): void {
  const widths = head.map((text, column) =>
    Math.max(text.length, ...rows.map((row) => row[column]!.length))
  );
  const line = (row: string[]) => row.map((text, i) => text.padEnd(widths[i]!)).join("  ");
  // deno-lint-ignore no-console
  console.log(["", line(head), ...rows.map(line), ""].join("\n"));
}
