/** What is kept of a new deployment in its owner's home. */
import { basename, resolve } from "node:path";
import type { SealedDeployment, SigningTarget } from "../client/deploy.ts";
import type { OwnDeployment } from "../client/deployments_file.ts";
import type { PackedProgram } from "../client/packed_program.ts";

/** Not published yet. */
export function ownDeployment(
  dir: string,
  program: PackedProgram,
  { spec, cid }: SealedDeployment,
  targets: readonly SigningTarget[],
): OwnDeployment {
  return {
    cid,
    id: spec.id,
    owner: spec.owner,
    program: {
      cid: program.cid,
      private: program.key !== undefined,
      name: basename(resolve(dir)),
      entrypoint: spec.program.entrypoint,
    },
    signed: {
      interface: spec.interface,
      ...(spec.server ? { server: spec.server } : {}),
      access: spec.access,
      egress: spec.egress,
      limits: spec.limits,
    },
    createdAt: new Date().toISOString(),
    unpublished: true,
    providers: targets.map(({ record, chainId, escrow, maxPrice, epoch }) => ({
      name: record.name,
      address: record.address,
      chainId,
      escrow,
      webDomain: record.webDomain,
      price: maxPrice,
      epoch,
    })),
  };
}
