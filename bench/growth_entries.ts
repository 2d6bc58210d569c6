/**
 * A journal of more and more entries: how long a provider takes to start with it, what it then
 * holds, what the disk does, and what `ledger` takes in every form. Times are told as they are, and
 * judged by those with the shortest journal in the same run.
 */
import { join } from "node:path";
import { pause } from "../lib/pause.ts";
import { ask } from "../worlds/chain/anvil_calls.ts";
import { factsOf, residentMemory } from "../worlds/processes.ts";
import { type CommandFound, runBounded } from "./bounded_command.ts";
import { outputOf, removeLedger } from "./checkout.ts";
import type { Curve, Point } from "./exponent.ts";
import type { Budget, Growth, GrowthWorld, Served } from "./growth_world.ts";
import { type LongJournal, tendJournal, writeJournal } from "./long_journal.ts";
import { atMost, type Must } from "./report.ts";

const SIZES = [1e4, 1e5, 1e6, 1e7];
const [LEAST, MOST] = [SIZES[0]!, SIZES.at(-1)!];
/** What takes so many times as long as with the shortest journal is not waited for any longer, */
const TIMES_MOST = 4;
/** but for so long, s: a start, all of the journal, and a part of it. */
const [START_LEAST, WHOLE_LEAST, FILTERED_LEAST] = [10, 8, 4];
/** A command that takes more is ended. */
const MEGABYTES_MOST = 500;
/** The first one with a journal of an earlier release may do what is done once. */
const FIRST_START_SECONDS_MOST = 150;
/** What is left to do after a start is waited for, so long at most. */
const SETTLE_SECONDS_MOST = 20;
const FORMS = [["text"], ["csv", "--csv"], ["json", "--json"]] as const;
/** 2.01 entries a call (reserve, charge, and some that are released), a hundred calls a second. */
const ENTRIES_A_YEAR = 2.01 * 100 * 31_557_600;

interface Figures {
  readonly firstStartMs: number;
  readonly startMs: number;
  readonly rssMb: number;
  /** All of the book's folder, and what of it is the archive, with so many entries. */
  readonly diskBytes: number;
  readonly archiveBytes: number;
  readonly archived: number;
  readonly whole: ReadonlyMap<string, CommandFound>;
  readonly filters: ReadonlyMap<string, CommandFound>;
}

export async function measureEntries(world: GrowthWorld, budget: Budget): Promise<Growth> {
  // What was settled in the last 256 blocks is read again at a start; this journal's is older.
  await ask(world.market.chain, "anvil_mine", "0x200", "0x0");
  const found = new Map<number, Figures>();
  for (const entries of SIZES) {
    if (budget.left() === 0) break;
    found.set(entries, await measureJournal(world, entries, budget, found.get(LEAST)));
  }
  return { curves: curvesOf(found), must: mustOf(found) };
}

async function measureJournal(
  world: GrowthWorld,
  entries: number,
  budget: Budget,
  least: Figures | undefined,
): Promise<Figures> {
  const home = await world.copyHome();
  const book = join(home, "state", "book");
  await removeLedger(book);
  const journal = writeJournal(join(book, "ledger.db"), entries, Date.now());
  const startSeconds = patience(START_LEAST, least?.startMs);
  try {
    const first = await startWithin(world, home, FIRST_START_SECONDS_MOST, budget);
    await first.served?.stop();
    const archived = await tendJournal(home, join(book, "ledger.db"));
    const second = await startWithin(world, home, startSeconds, budget);
    const { served } = second;
    if (served) await untilIdle(served, Math.min(SETTLE_SECONDS_MOST, budget.left()));
    const rssMb = served ? (await residentMemory(served.pid)).bytes / 1e6 : Infinity;
    const whole = new Map<string, CommandFound>();
    for (const [form, ...flags] of FORMS) {
      const seconds = patience(WHOLE_LEAST, least?.whole.get(form)?.ms);
      const bounds = { seconds: Math.min(seconds, budget.left()), megabytes: MEGABYTES_MOST };
      whole.set(form, await runBounded(home, ["ledger", ...flags], bounds));
    }
    const filters = await measureFilters(home, journal, budget, least);
    await served?.kill();
    const [diskBytes, archiveBytes] = [await sizeOf(book), await sizeOf(join(book, "archive"))];
    const [firstStartMs, startMs] = [first.ms, second.ms];
    const disk = { diskBytes, archiveBytes, archived };
    return { firstStartMs, startMs, rssMb, ...disk, whole, filters };
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** Bytes on the disk; of what is not there, none. */
async function sizeOf(path: string): Promise<number> {
  return 1_024 *
    (parseInt(await outputOf("sh", ["-c", 'du -sk "$0" 2>/dev/null || true', path])) || 0);
}

/** Seconds; of the shortest journal nothing is known yet, and its times are short. */
function patience(secondsLeast: number, leastMs = Infinity): number {
  if (!Number.isFinite(leastMs)) return FIRST_START_SECONDS_MOST;
  return Math.max(secondsLeast, TIMES_MOST * leastMs / 1_000);
}

/** A provider that has not come up by then is killed, and Infinity is what it took. */
async function startWithin(
  { serveHome }: GrowthWorld,
  home: string,
  seconds: number,
  budget: Budget,
): Promise<{ ms: number; served: Served | null }> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 1_000 * Math.min(seconds, budget.left()));
  const served = await serveHome(home, abort.signal).finally(() => clearTimeout(timer));
  return { ms: served?.startMs ?? Infinity, served };
}

/** What it does about a journal of this length when nobody asks is done. */
async function untilIdle({ pid }: Served, seconds: number): Promise<void> {
  const until = performance.now() + 1_000 * seconds;
  const cpu = async () => (await factsOf([pid]))[0]!.ownCpuMs;
  for (let quiet = 0, before = await cpu(); quiet < 3 && performance.now() < until;) {
    await pause(500);
    const now = await cpu();
    quiet = now - before < 50 ? quiet + 1 : 0;
    before = now;
  }
}

async function measureFilters(
  home: string,
  { rare, lately }: LongJournal,
  budget: Budget,
  least: Figures | undefined,
): Promise<Map<string, CommandFound>> {
  const filters = {
    payer: ["--payer", rare.payer],
    deployment: ["--deployment", rare.cid],
    since: ["--since", lately.toISOString()],
  };
  const found = new Map<string, CommandFound>();
  for (const [name, flags] of Object.entries(filters)) {
    const seconds = patience(FILTERED_LEAST, least?.filters.get(name)?.ms);
    const bounds = { seconds: Math.min(seconds, budget.left()), megabytes: MEGABYTES_MOST };
    found.set(name, await runBounded(home, ["ledger", ...flags], bounds));
  }
  return found;
}

/** Of what was ended before its end it is not known when it would have come. */
function endOf({ code, ms }: CommandFound): number {
  return code === 0 ? ms : Infinity;
}

function curvesOf(found: ReadonlyMap<number, Figures>): Curve[] {
  const curve = (what: string, unit: string, of: (figures: Figures) => number): Curve => ({
    curve: "entries",
    what,
    unit,
    points: [...found].map(([entries, figures]): Point => [entries, of(figures)]),
  });
  const forms = FORMS.flatMap(([form]) => [
    curve(`ledger, ${form}: first line`, "ms", ({ whole }) => firstOf(whole.get(form)!)),
    curve(`ledger, ${form}: all`, "ms", ({ whole }) => endOf(whole.get(form)!)),
    curve(`ledger, ${form}: RSS`, "MB", ({ whole }) => whole.get(form)!.megabytes),
  ]);
  const filters = ["payer", "deployment", "since"].map((name) =>
    curve(`ledger --${name}`, "ms", (figures) => endOf(figures.filters.get(name)!))
  );
  return [
    curve("the first start", "ms", ({ firstStartMs }) => firstStartMs),
    curve("each start after it", "ms", ({ startMs }) => startMs),
    curve("RSS after it", "MB", ({ rssMb }) => rssMb),
    curve("disk of the books", "MB", ({ diskBytes }) => diskBytes / 1e6),
    ...forms,
    ...filters,
  ];
}

function firstOf({ firstMs }: CommandFound): number {
  return firstMs ?? Infinity;
}

function mustOf(found: ReadonlyMap<number, Figures>): Must[] {
  const [least, most] = [found.get(LEAST), found.get(MOST)];
  const of = (value: (figures: Figures) => number) => most ? value(most) : Infinity;
  const ratio = (value: (figures: Figures) => number) =>
    least ? of(value) / value(least) : Infinity;
  const worst = (value: (found: CommandFound) => number) => ({ whole }: Figures) =>
    Math.max(...[...whole.values()].map(value));
  const slowest = ({ filters }: Figures) => Math.max(...[...filters.values()].map(endOf));
  const short = "of that with 10^4";
  const hasFailed = ({ whole, filters }: Figures) =>
    [...whole.values(), ...filters.values()].filter(({ code }) => code !== null && code !== 0);
  return [
    // 2 s, where an empty provider takes 1.4 s from its sources.
    atMost("start with 10^7 entries", ratio(({ startMs }) => startMs), short, 1.4),
    atMost("RSS with 10^7 entries", of(({ rssMb }) => rssMb), "MB", 200),
    atMost("disk of a year at 100 calls a second", of(gigabytesAYear), "GB", 20),
    // 1 s and 0.5 s, where the command with a short journal takes half a second.
    atMost("ledger's first line at 10^7, any form", ratio(worst(firstOf)), short, 2),
    atMost("ledger's RSS at 10^7, any form", of(worst(({ megabytes }) => megabytes)), "MB", 200),
    atMost("ledger that fails at 10^7, forms", of((one) => hasFailed(one).length), "", 0),
    atMost("ledger's slowest filter at 10^7", ratio(slowest), short, 2),
  ];
}

/** What stays in the table is bounded; the rest takes what one takes in the archive. */
function gigabytesAYear({ diskBytes, archiveBytes, archived }: Figures): number {
  if (archived === 0) return Infinity;
  return (diskBytes - archiveBytes + archiveBytes / archived * ENTRIES_A_YEAR) / 1e9;
}
