/** What a provider's parts are opened on, and where they keep what they keep. */
import { dirname, join } from "node:path";
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import type { Log } from "../../log.ts";
import type { Offering } from "../http/page.ts";
import type { ReadAhead } from "../ledger/book_reader.ts";
import type { OperatorWatch } from "../settlement/operator_watch.ts";
import { removeSockets } from "../program/socket_folders.ts";
import type { Ground } from "./preflight.ts";

/** Folders of a process's own, which no other may touch while it runs. */
const OWN_FOLDERS = ["programs", "etc", "sockets"] as const;

export interface StateDirs {
  /**
   * How many processes have taken one another's place since a start: each has folders of its own
   * for what runs, beside those of the one before.
   */
  generation: number;
  /** Ledger and logs: nobody else's. */
  book: string;
  cache: string;
  /** What owners have pushed. */
  kept: string;
  programs: string;
  etc: string;
  /** Where the sockets of servers are made, if its path is short enough. */
  sockets: string;
}

/** What a provider opens its books with; all that takes long, and none of the books. */
export interface Prepared {
  /** What it tells of itself. */
  offering: Offering;
  /** Has looked at what the operator may settle. */
  watch: OperatorWatch;
}

/** Another process of the provider runs on while this one takes its place. */
export interface Succession {
  /** The ledger as it was a moment before. */
  ahead: ReadAhead | null;
  /** Folder of /etc for programs; it is there already. */
  etc: string;
}

export interface Site {
  config: Config;
  provider: ProviderConfig;
  state: StateDirs;
  ground: Ground;
  prepared: Prepared;
  /** The fleet's that live, this one among them; absent: nobody tells of any other. */
  nodes?: () => readonly FleetNode[];
  /** null: nobody's runs go on. */
  succession: Succession | null;
  log: Log;
  now: () => number;
}

/** The run uid passes through `stateDir` to an unpacked program whose name it is told, no more. */
export async function prepareState(config: Config, provider: ProviderConfig): Promise<StateDirs> {
  const dir = resolveFromHome(config, provider.stateDir);
  const book = join(dir, "book");
  await Deno.mkdir(book, { recursive: true });
  await Deno.chmod(dir, 0o711);
  await Deno.chmod(book, 0o700);
  const own = ownFolders(dir, 0);
  return { generation: 0, book, cache: join(dir, "cache"), kept: join(dir, "kept"), ...own };
}

/** The state as the process of that generation uses it. */
export function inGeneration(state: StateDirs, generation: number): StateDirs {
  return { ...state, generation, ...ownFolders(dirname(state.book), generation) };
}

function ownFolders(dir: string, generation: number) {
  const suffix = generation === 0 ? "" : `.${generation}`;
  const [programs, etc, sockets] = OWN_FOLDERS.map((name) => join(dir, name + suffix));
  return { programs: programs!, etc: etc!, sockets: sockets! };
}

/**
 * The generations whose folders lie in the state, but for those in `used`: their processes ended
 * without a word, or long ago.
 */
export async function leftGenerations(
  { book }: Pick<StateDirs, "book">,
  used: ReadonlySet<number>,
): Promise<number[]> {
  const found = new Set<number>();
  for await (const { name } of Deno.readDir(dirname(book))) {
    const [, folder, number = "0"] = /^([a-z]+)(?:\.([1-9][0-9]*))?$/.exec(name) ?? [];
    if (OWN_FOLDERS.some((own) => own === folder)) found.add(Number(number));
  }
  return [...found].filter((generation) => !used.has(generation));
}

/** Removes what the process of a generation left, which has ended. */
export async function removeGeneration(state: StateDirs, generation: number): Promise<void> {
  const { programs, etc, sockets } = inGeneration(state, generation);
  const left = join(dirname(state.book), "programs.left");
  await Deno.mkdir(left, { recursive: true, mode: 0o700 });
  // Aside first: whoever ends in the midst of removing them leaves nothing that is looked for.
  for (const folder of [programs, etc]) {
    await Deno.rename(folder, join(left, crypto.randomUUID())).catch(ignoreMissing);
  }
  await Deno.remove(`${etc}.mark`).catch(ignoreMissing);
  await removeSockets(sockets);
  for await (const { name } of Deno.readDir(left)) {
    await Deno.remove(join(left, name), { recursive: true }).catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
