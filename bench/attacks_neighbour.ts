/**
 * The neighbour of bench/attacks.ts, on a thread of its own: what keeps the attacker busy is no
 * part of what it sees. It calls a deployment, one call after the other, until it is told to stop.
 */
import type { Called, Neighbourhood } from "./attacks_side.ts";

const worker = self as unknown as {
  onmessage: (message: MessageEvent<Neighbourhood | "stop">) => void;
  postMessage(message: Called): void;
};

let isOver = false;

worker.onmessage = ({ data }) => {
  if (data === "stop") isOver = true;
  else call(data).then((called) => worker.postMessage(called));
};

async function call({ url, cert }: Neighbourhood): Promise<Called> {
  using client = Deno.createHttpClient({ caCerts: cert === null ? [] : [cert] });
  const called: Called = { took: [], failed: 0 };
  while (!isOver) {
    const at = performance.now();
    const response = await fetch(url, { client });
    // To its end: over HTTP/2 a body that is given up is a reset, of which there may be few.
    await response.text();
    if (response.status !== 200) called.failed += 1;
    called.took.push(performance.now() - at);
  }
  return called;
}
