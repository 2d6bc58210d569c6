/** A well-behaved deployment that is called all the time while others misbehave. */
import assert from "node:assert/strict";
import type { Market } from "../../worlds/market.ts";

export interface Neighbour extends AsyncDisposable {
  /** Forgets what has been counted. */
  reset(): void;
  /** Waits for one more call to end; throws when any since `reset` was not answered rightly. */
  verdict(): Promise<{ calls: number; slowestMs: number }>;
  /** Where its program is unpacked on the host. */
  program(): Promise<string>;
}

const SCRIPT = '#!/bin/sh\nread word\necho "$word" > /tmp/kept\nsleep 0.02\ncat /tmp/kept\n';
/** Attacks share two processors with it; waiting its turn is not noticing. */
const SLOWEST_MS = 6_000;

export async function startNeighbour(market: Market): Promise<Neighbour> {
  const limits = {
    timeoutMs: 10_000,
    memoryMb: 64,
    concurrency: 4,
    ownerCreditsPerMinute: 100_000,
  };
  const cid = await market.deploy({ files: { main: SCRIPT }, fields: { limits } });
  let calls = 0;
  let slowestMs = 0;
  let wrong: string | null = null;
  let stopped = false;

  async function callOnce(): Promise<void> {
    const word = crypto.randomUUID();
    const startedAt = performance.now();
    const response = await market.call(cid, { method: "POST", body: word });
    const text = await response.text();
    if (text !== `${word}\n`) wrong ??= `${response.status} ${text}`;
    calls += 1;
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
  }
  async function callOn(): Promise<void> {
    while (!stopped) {
      await callOnce().catch((error) => wrong ??= String(error));
    }
  }
  const going = callOn();

  return {
    reset() {
      calls = 0;
      slowestMs = 0;
      wrong = null;
    },
    async verdict() {
      await callOnce();
      assert.equal(wrong, null);
      assert(slowestMs < SLOWEST_MS, `the neighbour waited ${slowestMs} ms`);
      return { calls, slowestMs };
    },
    async program() {
      await callOnce();
      const state = `${market.home}/state`;
      for await (const { name } of Deno.readDir(state)) {
        if (!/^programs(?:\.\d+)?$/.test(name)) continue;
        for await (const folder of Deno.readDir(`${state}/${name}`)) {
          return `${state}/${name}/${folder.name}/main`;
        }
      }
      throw new Error("the neighbour's program is unpacked nowhere");
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await going;
    },
  };
}
