/**
 * What each stock client's program does: reads on stdin who pays and what is to be called, pays as
 * the client does, and prints what came of each call. It runs in Node beside the client's packages.
 */
import { text } from "node:stream/consumers";

/** @param open makes the client: `pay` calls and pays, `decode` reads a PAYMENT-RESPONSE */
export async function drive(open) {
  const { account, groups } = JSON.parse(await text(process.stdin));
  const client = await open(account);
  const outcomes = {};
  for (const [name, calls] of Object.entries(groups)) {
    outcomes[name] = await Promise.all(calls.map((call) => outcomeOf(client, call)));
  }
  // Some leave connections open, with what they did not read.
  process.stdout.write(JSON.stringify(outcomes), () => process.exit());
}

async function outcomeOf({ pay, decode }, { url, json }) {
  const init = json === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(json),
  };
  try {
    const { status, header, body } = await pay(url, init);
    const parts = [];
    const decoder = new TextDecoder();
    for await (const bytes of body) parts.push(decoder.decode(bytes, { stream: true }));
    const told = header("payment-response") ?? header("x-payment-response") ?? null;
    return { status, parts, settlement: told === null ? null : decode(told), error: null };
  } catch (error) {
    return { status: null, parts: [], settlement: null, error: String(error) };
  }
}

/** A fetch's answer. */
export function answerOf(response) {
  const header = (name) => response.headers.get(name);
  return { status: response.status, header, body: response.body ?? [] };
}
