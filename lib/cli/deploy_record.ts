/** What is kept of a new deployment in its owner's home. */
import { basename, resolve } from "node:path";
import type { SealedDeployment, SigningTarget } from "../client/deploy.ts";
import type { OwnDeployment } from "../client/deployments_file.ts";
import type { PackedProgram } from "../client/packed_program.ts";
import { OPTIONS } from "./deploy_flags.ts";
import { notedFlags } from "./flag_layers.ts";

/**
 * Not published yet.
 * @param given the flags of the command line alone
 */
export function ownDeployment(
  dir: string,
  program: PackedProgram,
  { spec, cid }: SealedDeployment,
  targets: readonly SigningTarget[],
  given: object,
): OwnDeployment {
  return {
    cid,
    id: spec.id,
    owner: spec.owner,
    program: {
      cid: program.cid,
      private: program.key !== undefined,
      name: basename(resolve(dir)),
      dir: resolve(dir),
      entrypoint: spec.program.entrypoint,
    },
    signed: {
      interface: spec.interface,
      ...(spec.server ? { server: spec.server } : {}),
      env: Object.keys(spec.env),
      access: spec.access,
      egress: spec.egress,
      limits: spec.limits,
      ...(spec.about ? { about: spec.about } : {}),
      ...(spec.cors ? { cors: spec.cors } : {}),
    },
    flags: notedFlags(OPTIONS, given),
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
