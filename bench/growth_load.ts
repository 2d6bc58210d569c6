/**
 * Load by wrk on many paths in turn, every answer counted by its status; and a single caller who
 * waits for each answer.
 */
import { pause } from "../lib/pause.ts";
import { median } from "./report.ts";

export interface LoadAsked {
  readonly url: string;
  /** Asked for one after the other by all connections together. */
  readonly paths: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadFound {
  /** Answers of each status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Of status 200 a second. */
  readonly perSecond: number;
  /** Of all answers, refusals among them. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The part that was answered by a 200. */
  readonly share: number;
}

/** wrk calls these by their names. One thread makes the calls: its counts are all there are. */
const SCRIPT = `
local paths, names, at, thread = {}, {}, 0, nil
for status = 100, 599 do names[status] = "answers" .. status end
function setup(one) thread = one end
function init(args)
  for line in io.lines(args[1]) do paths[#paths + 1] = line end
end
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
function response(status)
  local name = names[status]
  _G[name] = (_G[name] or 0) + 1
end
function done(summary, latency)
  local counts = ""
  for status = 100, 599 do
    local count = thread:get(names[status])
    if count then counts = counts .. string.format("%d=%d ", status, count) end
  end
  io.write(string.format("found %s|%d %f %f\\n", counts, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`;

/** Loads it for so long. */
export async function load({ url, paths, connections, seconds }: LoadAsked): Promise<LoadFound> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/load.lua`, SCRIPT);
    await Deno.writeTextFile(`${dir}/paths`, paths.join("\n"));
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "30s"];
    const command = new Deno.Command("wrk", {
      args: [...args, "-s", `${dir}/load.lua`, url, "--", `${dir}/paths`],
    });
    const { success, stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`wrk: ${text}${new TextDecoder().decode(stderr)}`);
    return foundIn(text);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function foundIn(text: string): LoadFound {
  const [, counts, duration, p50, p99] = /^found (.*)\|(\d+) (\S+) (\S+)$/m.exec(text)!;
  const statuses: Record<string, number> = Object.fromEntries(
    [...counts!.matchAll(/(\d+)=(\d+)/g)].map(([, status, count]) => [status, Number(count)]),
  );
  const all = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  const served = statuses[200] ?? 0;
  return {
    statuses,
    perSecond: served / (Number(duration) / 1e6),
    p50Ms: Number(p50),
    p99Ms: Number(p99),
    share: all === 0 ? 0 : served / all,
  };
}

/** What a caller got who asks again only a moment after each answer. */
export interface Politely {
  /** The part of its calls that was answered by a 200. */
  readonly share: number;
  /** Of these. */
  readonly p50Ms: number;
}

/** One call after the other for so long, with a rest after each. */
export async function politely(url: string, seconds: number, restMs: number): Promise<Politely> {
  const until = performance.now() + 1_000 * seconds;
  let asked = 0;
  const times: number[] = [];
  while (performance.now() < until) {
    const begunAt = performance.now();
    const response = await fetch(url);
    await response.text();
    asked += 1;
    if (response.status === 200) times.push(performance.now() - begunAt);
    await pause(restMs);
  }
  return { share: times.length / asked, p50Ms: times.length === 0 ? Infinity : median(times) };
}
