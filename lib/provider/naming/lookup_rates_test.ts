import assert from "node:assert/strict";
import {
  FRESH_NAME_LOOKUPS_BURST_MAX,
  PAID_NAME_LOOKUPS_BURST_MAX,
  PREFIX_NAME_LOOKUPS_BURST_MAX,
  STRANGER_NAME_LOOKUPS_BURST_MAX,
} from "../../limits_of_names.ts";
import { NameLookupRates } from "./lookup_rates.ts";

function openRates() {
  let time = 0;
  const rates = new NameLookupRates(() => time);
  const ask = (from: string, isPaid = false): string => {
    try {
      rates.admit(from, isPaid);
      return "admitted";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { ask, pass: (ms: number) => void (time += ms) };
}

/** Uses up what strangers share, from so many networks as it takes. */
function exhaust(ask: (from: string) => string): void {
  const networks = STRANGER_NAME_LOOKUPS_BURST_MAX / PREFIX_NAME_LOOKUPS_BURST_MAX;
  for (let network = 0; network < networks; network++) {
    for (let i = 0; i < PREFIX_NAME_LOOKUPS_BURST_MAX; i++) ask(`198.51.${network}.${i}`);
  }
}

Deno.test("a network has its own limit, and takes nothing of others' beyond it", () => {
  const { ask, pass } = openRates();
  for (let i = 0; i < PREFIX_NAME_LOOKUPS_BURST_MAX; i++) {
    assert.equal(ask(`192.0.2.${i}`), "admitted");
  }
  for (let i = 0; i < 200; i++) assert.equal(ask("192.0.2.1"), "rate_limited");
  assert.equal(ask("203.0.113.1"), "admitted");
  pass(3_000);
  assert.equal(ask("192.0.2.1"), "admitted");
});

Deno.test("strangers together leave room for who asked for little, and for what was paid for", () => {
  const { ask } = openRates();
  exhaust(ask);
  for (let i = 0; i < FRESH_NAME_LOOKUPS_BURST_MAX; i++) {
    assert.equal(ask(`203.0.${i}.1`), "admitted");
  }
  assert.equal(ask("203.1.0.1"), "overloaded");
  for (let i = 0; i < PAID_NAME_LOOKUPS_BURST_MAX; i++) {
    assert.equal(ask("198.51.0.1", true), "admitted");
  }
  assert.equal(ask("198.51.0.1", true), "rate_limited");
});

Deno.test("a proxy's callers, which share its address, share what strangers have", () => {
  const { ask } = openRates();
  for (let i = 0; i < STRANGER_NAME_LOOKUPS_BURST_MAX; i++) {
    assert.equal(ask("127.0.0.1"), "admitted");
  }
  assert.notEqual(ask("127.0.0.1"), "admitted");
});
