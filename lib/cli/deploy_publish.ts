/** Publishing what `deploy` has sealed. */
import { join } from "node:path";
import { publishDeployment, type SealedDeployment } from "../client/deploy.ts";
import type { PackedProgram } from "../client/packed_program.ts";
import { KhachapuriError } from "../errors.ts";
import { writeCar } from "../ipfs/car.ts";
import { createFetcher } from "../ipfs/gateway.ts";
import { publish } from "../ipfs/publish.ts";
import { pause } from "../pause.ts";
import type { CommandContext } from "./command.ts";

/** @throws KhachapuriError `invalid_config` */
export async function requireKubo(context: CommandContext) {
  const { kubo, home } = await context.config();
  if (kubo) return kubo;
  throw new KhachapuriError("invalid_config", "no IPFS node to publish through", {
    hints: [
      "khachapuri init --kubo URL keeps one; --kubo URL is for one command",
      `it stands in ${join(home, "config.json")} as "kubo"`,
      "or use --out DIR",
    ],
  });
}

export async function publishBoth(
  context: CommandContext,
  program: PackedProgram,
  sealed: SealedDeployment,
): Promise<void> {
  const { out } = context;
  const kubo = await requireKubo(context);
  const { gateways } = await context.config();
  if (gateways.length === 0) out.note("warning: no gateway is configured; nothing is read back");
  const fetcher = createFetcher({ gateways, cache: null });
  out.progress(`publishing through ${kubo.url} and reading back`);
  await publishDeployment(
    {
      publish: (dag) => publish(dag, { kubo }),
      read: gateways.length === 0 ? null : (cid, maxBytes) => fetcher.readFile(cid, { maxBytes }),
      wait: pause,
    },
    program,
    sealed,
  );
}

export async function writeBoth(
  { out }: CommandContext,
  dir: string,
  program: PackedProgram,
  sealed: SealedDeployment,
): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  for (const { dag, cid } of [program, sealed]) {
    await Deno.writeFile(join(dir, `${cid}.car`), writeCar(dag));
  }
  const files = [program, sealed].map(({ cid }) => join(dir, `${cid}.car`));
  out.note(`not published yet: ipfs dag import ${files.join(" ")}`);
}
