/**
 * Asks all servers named by its arguments for something cheap, one after the other, again and
 * again until its stdin ends, in a process of its own: how long the longest answer of each took,
 * ms, as a list in JSON. What keeps this process from asking keeps it from all of them alike.
 */
import { pause } from "../lib/pause.ts";

const EVERY_MS = 4;

let isOver = false;
const ended = new Response(Deno.stdin.readable).text().then(() => isOver = true);
const longest = Deno.args.map(() => 0);
while (!isOver) {
  for (const [n, url] of Deno.args.entries()) {
    const begunAt = performance.now();
    await (await fetch(url)).text();
    longest[n] = Math.max(longest[n]!, performance.now() - begunAt);
  }
  await pause(EVERY_MS);
}
await ended;
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(longest)));
