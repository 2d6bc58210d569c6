import assert from "node:assert/strict";
import { metricsText } from "./metrics.ts";
import { ProcessUsage } from "./process_usage.ts";

const FIGURES = { openDescriptors: 12, descriptorsMax: 1_024 };

Deno.test("the process tells of itself, and has the helper look once for all who ask", async () => {
  let looks = 0;
  const figures = () => {
    looks++;
    return Promise.resolve(FIGURES);
  };
  const usage = new ProcessUsage({ version: "1.2.3", figures });
  const text = await metricsText(usage.metrics);
  usage.close();
  assert.equal(looks, 1);
  assert.match(text, /^khachapuri_build_info\{version="1\.2\.3",arch="(x86_64|aarch64)"\} 1$/m);
  assert.match(text, /^process_open_fds 12$/m);
  assert.match(text, /^process_max_fds 1024$/m);
  const numberOf = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)![1]);
  const startedAgo = Date.now() / 1_000 - numberOf("process_start_time_seconds");
  assert.ok(startedAgo >= 0 && startedAgo < 3_600, String(startedAgo));
  assert.ok(numberOf("process_cpu_seconds_total") > 0);
  assert.ok(numberOf("process_resident_memory_bytes") > 1e6);
});

Deno.test("where the helper cannot look, the rest is told all the same", async () => {
  const figures = () => Promise.reject(new Error("no helper"));
  const usage = new ProcessUsage({ version: "1", figures });
  const text = await metricsText(usage.metrics);
  usage.close();
  assert.match(text, /^process_open_fds NaN$/m);
});

Deno.test("a turn that others wait for shows as a delay", async () => {
  const usage = new ProcessUsage({ version: "1", figures: () => Promise.resolve(FIGURES) });
  const delays = usage.metrics.find(({ name }) => name.includes("event_loop"))!;
  const lateCount = async () => {
    const samples = await delays.read();
    const counted = (le: string) => samples.find(({ labels }) => labels?.le === le)!.value;
    return counted("+Inf") - counted("0.1");
  };
  while (await lateCount() === 0) {
    // Keeps the process from its timers.
    for (const until = performance.now() + 700; performance.now() < until;);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  usage.close();
});
