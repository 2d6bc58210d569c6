/** The gateway of bench/ipfs.ts on a thread of its own, so that it does not share the client's. */
import { startGateway } from "../worlds/ipfs/gateway.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { benchFile } from "./ipfs_file.ts";

const worker = self as unknown as {
  onmessage: (message: MessageEvent<{ sizes: number[] }>) => Promise<void>;
  postMessage(message: { car: string; raw: string }): void;
};

worker.onmessage = async ({ data }) => {
  const car = await startGateway();
  const raw = await startGateway({ withoutCar: true });
  for (const size of data.sizes) {
    const { blocks } = importFile(benchFile(size));
    for (const gateway of [car, raw]) await gateway.put(blocks);
  }
  worker.postMessage({ car: car.url, raw: raw.url });
};
