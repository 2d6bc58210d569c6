/** One version of a program after another, out of its folder. */
import type { CidText } from "../../cid.ts";
import { SPEC_OWNER_CREDITS_PER_MINUTE_MAX } from "../../limits.ts";
import { copyProgram, type ProgramCopy } from "../../spec/program_copy.ts";
import type { Spec } from "../../spec/schema.ts";
import { requestsAtOnce, serverOf, serverToJson } from "../../spec/server.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { leave } from "../program/interface/interface.ts";
import { type Backstage, openStage, type StagedProgram } from "../program/stage.ts";
import type { Workplace } from "../program/workplace.ts";
import { type Ear, instanceEars } from "./ears.ts";
import { NOBODY } from "./played_scheme.ts";

/** A program as it was at one moment, ready to be called. */
export interface ProgramVersion extends AsyncDisposable {
  readonly deployment: Deployment;
  readonly workplace: Workplace;
  /** There is a newer one: no more requests come. */
  retire(): void;
}

/** Runs at a time, as `deploy` asks for unless it is told otherwise; a server's own say more. */
const CONCURRENCY = 8;

export class ProgramFolder {
  #copy: SharedCopy | null = null;
  /** How the last version is run, if that could be built: its JSON. */
  #built: string | null = null;
  #count = 0;

  /**
   * @param dir the program's folder
   * @param read says how it is to be run, as of now
   * @param onRun an instance of a server begins to print
   */
  constructor(
    private readonly backstage: Backstage,
    private readonly dir: string,
    private readonly read: () => Promise<StagedProgram>,
    private readonly onRun: () => Ear,
  ) {}

  /**
   * The program as it is now; null when that is what was built last.
   * @throws KhachapuriError why it cannot be run
   */
  async build(): Promise<ProgramVersion | null> {
    const before = this.#built;
    this.#built = null;
    const program = await this.read();
    const isNew = await this.#copyAnew();
    const text = JSON.stringify(program);
    if (isNew || text !== before) {
      const version = await this.#open(this.#copy!, program);
      this.#built = text;
      return version;
    }
    this.#built = before;
    return null;
  }

  /** @returns false: the last copy is what would be copied now */
  async #copyAnew(): Promise<boolean> {
    const to = this.backstage.place();
    try {
      const copy = await copyProgram(this.dir, to, this.#copy?.copy ?? null);
      if (copy === null) return false;
      const last = this.#copy;
      this.#copy = new SharedCopy(copy);
      await last?.release();
      return true;
    } catch (error) {
      await remove(to);
      throw error;
    }
  }

  async #open(copy: SharedCopy, program: StagedProgram): Promise<ProgramVersion> {
    const ears = instanceEars(this.onRun);
    const workplace = await openStage(this.backstage, copy.copy.dir, program, "dev", ears);
    if (program.interface === "http") await assertServes(workplace);
    copy.hold();
    return {
      workplace,
      deployment: deploymentOf(program, this.#count++),
      retire: () => void workplace.drain(),
      async [Symbol.asyncDispose]() {
        await workplace.close();
        await copy.release();
      },
    };
  }
}

/**
 * Starts a server, so that its developer sees at once whether it does.
 * @throws KhachapuriError `program_failed`, `sandbox_unavailable`
 */
async function assertServes(workplace: Workplace): Promise<void> {
  try {
    leave(await workplace.take());
  } catch (error) {
    await workplace.close();
    throw error;
  }
}

/** A copy that goes when no version runs on it and no later copy may link to it. */
class SharedCopy {
  #users = 1;

  constructor(readonly copy: ProgramCopy) {}

  hold(): void {
    this.#users += 1;
  }

  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await remove(this.copy.dir);
  }
}

async function remove(dir: string): Promise<void> {
  await Deno.remove(dir, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

const NOTHING = `0x${"0".repeat(64)}` as const;

/** As a spec would have it; nothing is signed, published or paid. */
function deploymentOf(program: StagedProgram, count: number): Deployment {
  const { entrypoint, args, env, interface: style, server, egress } = program;
  const { timeoutMs, memoryMb, credits = 1 } = program;
  const cid = "bafkqaaa" as CidText;
  const spec: Spec = {
    version: 1,
    // Other files make another deployment.
    id: `0x${count.toString(16).padStart(64, "0")}`,
    program: { cid, entrypoint, args: [...args] },
    interface: style,
    ...(server ? { server: serverToJson(server) } : {}),
    env: { ...env },
    limits: {
      timeoutMs,
      memoryMb,
      credits,
      concurrency: style === "http" ? requestsAtOnce(server ?? serverOf({})) : CONCURRENCY,
      ownerCreditsPerMinute: SPEC_OWNER_CREDITS_PER_MINUTE_MAX,
    },
    egress: [...egress],
    access: "public",
    owner: NOBODY,
    providers: [],
    signature: "0x",
  };
  const at = { address: NOBODY, chainId: 1, escrow: NOBODY, terms: NOTHING };
  const permit = {
    payer: NOBODY,
    provider: NOBODY,
    lane: NOTHING,
    price: 0n,
    credits: 0n,
    deadline: 0n,
    epoch: 0,
    signature: "0x",
  } as const;
  return { cid, spec, entry: { ...at, permit } };
}
