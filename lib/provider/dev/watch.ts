/** Sees that a program's folder changes, or the file of its environment. */
import { dirname, relative } from "node:path";
import { FolderIgnores } from "../../spec/folder_ignores.ts";

/** Changes that follow each other within it are one, ms: who saves writes several files. */
const QUIET_MS = 20;
/** Changes without end are taken as they are after so long, ms. */
const LONGEST_MS = 500;
/** How often it is looked whether the folder is still the same one, ms. */
const LOOK_MS = 500;

/** What editors keep beside a file while it is being edited. */
const EDITORS_OWN = /(?:^|\/)(?:\.[^/]*\.sw[a-z]|[^/]*~|\.#[^/]*|#[^/]*#|4913)$/;

export interface WatchOptions {
  /** Absolute, without symbolic links. */
  readonly dir: string;
  /** Absolute, its folder without symbolic links; null: there is none. */
  readonly envFile: string | null;
  /** Something changes. @param settled resolves when nothing has changed for a moment */
  onChange(settled: Promise<void>): void;
  /** Changes are not seen, and why. */
  onBlind(error: Error): void;
}

interface Followed {
  readonly watcher: Deno.FsWatcher;
  /** It tells no more. */
  readonly ended: Promise<void>;
}

/** Whether a change of a path is one of the program's. */
type Matters = (path: string, kind: Deno.FsEvent["kind"]) => boolean;

export class Watch implements Disposable {
  readonly #options: WatchOptions;
  #ignores: FolderIgnores;
  #folder: Followed | null = null;
  /** Which folder is watched: another may come to have its name. */
  #identity: string | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #burst: { settle(): void; from: number } | null = null;
  readonly #looking: ReturnType<typeof setInterval>;
  #environment: Followed | null = null;
  #isClosed = false;

  /** Watches from now on. */
  constructor(options: WatchOptions) {
    this.#options = options;
    this.#ignores = new FolderIgnores(options.dir);
    this.#open();
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
    Deno.unrefTimer(this.#looking);
    if (this.#isBeside(options.envFile)) this.#watchEnvironment(options.envFile);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearInterval(this.#looking);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#burst?.settle();
    this.#folder?.watcher.close();
    this.#environment?.watcher.close();
  }

  /** Watches the folder that has the name now; nothing while there is none. */
  #open(): void {
    this.#identity = identityOf(this.#options.dir);
    if (this.#identity === null) return;
    this.#folder = this.#watch(this.#options.dir, true, (path, kind) => {
      if (path === this.#options.dir && kind !== "modify") this.#identity = null;
      return path === this.#options.envFile || this.#isOfProgram(path);
    });
  }

  /** Whether it lies outside the program's folder: one path cannot be watched twice. */
  #isBeside(file: string | null): file is string {
    return file !== null && relative(this.#options.dir, file).startsWith("..");
  }

  /** Its folder is watched, as whoever saves it may put a new file in its place. */
  #watchEnvironment(file: string): void {
    this.#environment = this.#watch(dirname(file), false, (path) => path === file);
  }

  #watch(
    path: string,
    recursive: boolean,
    matters: Matters,
  ): Followed | null {
    try {
      const watcher = Deno.watchFs(path, { recursive });
      const ended = this.#follow(watcher, matters).catch((error) => this.#blind(error));
      return { watcher, ended };
    } catch (error) {
      this.#blind(error as Error);
      return null;
    }
  }

  async #follow(watcher: Deno.FsWatcher, matters: Matters): Promise<void> {
    for await (const { kind, paths, flag } of watcher) {
      if (kind === "access") continue;
      if (flag === "rescan" || paths.some((path) => matters(path, kind))) this.#changed();
    }
  }

  #blind(error: Error): void {
    if (!this.#isClosed) this.#options.onBlind(error);
  }

  /** Whether a path is, or was, the program's. */
  #isOfProgram(path: string): boolean {
    const name = relative(this.#options.dir, path);
    // The folder itself, or where it was moved to.
    if (name === "" || name.startsWith("../")) return true;
    return !EDITORS_OWN.test(name) && !this.#ignores.isOut(name);
  }

  async #look(): Promise<void> {
    const now = await Deno.stat(this.#options.dir).then(textOf, () => null);
    if (now === this.#identity || this.#isClosed) return;
    this.#identity = now;
    this.#folder?.watcher.close();
    // Until it has ended the system goes on watching the old one under the name.
    await this.#folder?.ended;
    this.#folder = null;
    if (this.#isClosed) return;
    this.#open();
    this.#changed();
  }

  #changed(): void {
    const now = performance.now();
    if (this.#burst === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#burst = { settle: resolve, from: now };
      this.#options.onChange(promise);
    } else if (now - this.#burst.from > LONGEST_MS - QUIET_MS) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), QUIET_MS);
  }

  #settle(): void {
    this.#burst?.settle();
    this.#burst = null;
    this.#ignores = new FolderIgnores(this.#options.dir);
  }
}

function identityOf(dir: string): string | null {
  try {
    return textOf(Deno.statSync(dir));
  } catch {
    return null;
  }
}

/** A new folder may have the number of one that is gone. */
function textOf({ dev, ino, birthtime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${birthtime?.getTime()}`;
}
