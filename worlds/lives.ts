/** A provider that is killed at random instants and started again on the same books. */
import assert from "node:assert/strict";
import { pause } from "../lib/pause.ts";
import { type ChildProvider, startChildProvider } from "./child_provider.ts";
import type { Random } from "./random.ts";

export interface Lives extends AsyncDisposable {
  /** The URL of the provider that serves now, or of the next one that will; null after the last. */
  url(): Promise<string | null>;
  /** Kills at random instants, then leaves one running. */
  killOften(times: number): Promise<void>;
  /** Lets go of those who wait for a life that does not come. */
  end(): void;
  /** @returns when the last one has ended in good order */
  stop(): Promise<void>;
}

/** What is looked at between one life and the next. */
export interface LifeWatch {
  /** The next to come is the kill; `url` is null while it still opens its books. */
  dying?(url: string | null): Promise<void>;
  /** It listens, and no caller knows yet where. @param killed the one before it; null: none was */
  born?(url: string, killed: ChildProvider | null): Promise<void>;
}

export interface LivesOptions extends LifeWatch {
  home: string;
  random: Random;
  /** The calls that all lives have answered. */
  answered(): number;
}

/** Most lives end once a call was answered in them, however slow the machine is; or by then, ms. */
const ANSWER_MS = 20_000;

/** Start, kill, start again. */
export function livesOf({ home, random, answered, dying, born }: LivesOptions): Lives {
  let serving = Promise.withResolvers<string | null>();
  let isServing = false;
  let isDying = false;
  let child: ChildProvider | undefined;
  let up: Promise<string | null> = Promise.resolve(null);

  async function live(killed: ChildProvider | null): Promise<void> {
    const started = await startChildProvider(home);
    child = started;
    isDying = false;
    up = started.url.then(async (url) => {
      if (url === null || child !== started || isDying) return url;
      await born?.(url, killed);
      if (child !== started || isDying) return url;
      isServing = true;
      serving.resolve(url);
      return url;
    });
    up.catch(() => {}); // Told by whoever waits for it.
  }

  async function untilUp(): Promise<void> {
    assert.ok(await up, "the provider did not come up again");
  }

  /** Mostly under load, sometimes while it still opens its books. */
  async function pauseUntilKill(): Promise<void> {
    if (random.chance(0.15)) return await pause(random.between(0, 1_000));
    await untilUp();
    const [before, until] = [answered(), Date.now() + ANSWER_MS];
    while (answered() === before && Date.now() < until) await pause(5);
    await pause(random.chance(0.7) ? random.between(0, 400) : random.between(0, 1_500));
  }

  async function killOnce(): Promise<void> {
    await pauseUntilKill();
    await dying?.(isServing ? await serving.promise : null);
    // From here on callers wait for the next life; those under way meet the kill.
    if (isServing) serving = Promise.withResolvers<string | null>();
    isServing = false;
    isDying = true;
    const killed = child!;
    await killed.kill();
    await up;
    await live(killed);
  }

  return {
    url: () => serving.promise,
    async killOften(times) {
      await live(null);
      for (let kill = 0; kill < times; kill++) await killOnce();
      await untilUp();
    },
    end: () => serving.resolve(null),
    async stop() {
      assert.equal(await child!.stop(), 0);
    },
    async [Symbol.asyncDispose]() {
      await child?.kill();
    },
  };
}
