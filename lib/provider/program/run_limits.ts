/** What one run may use: the same for a caller's call and for a rehearsal. */
import type { RunLimits } from "../../../sandbox/sandbox.ts";
import { RESPONSE_BYTES_DEFAULT, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../limits.ts";
import { creditsMax } from "../../spec/credits.ts";
import type { Spec } from "../../spec/schema.ts";

export interface RunAllowance {
  timeoutMs: number;
  memoryMb: number;
  /** How many times `timeoutMs` it may take, one after the other. */
  credits?: number;
  /** Of the body that it answers with. */
  responseBytes?: number;
}

/**
 * How many credits a run may take: what the owner signed, as far as the provider goes along.
 * @param ownMax the provider's own maximum
 */
export function runCreditsMax(spec: Pick<Spec, "limits">, ownMax: number): number {
  return Math.min(creditsMax(spec), ownMax);
}

export function runLimits(
  { timeoutMs, memoryMb, credits = 1, responseBytes = RESPONSE_BYTES_DEFAULT }: RunAllowance,
): RunLimits {
  return {
    timeoutMs,
    credits,
    memoryMb,
    stdoutBytes: responseBytes + RESPONSE_HEAD_BYTES_MAX,
    stderrBytes: STDERR_BYTES_MAX,
  };
}

/** Of a deployment's runs: what its spec asks for, as far as the provider's own limits go. */
export function deploymentLimits(spec: Spec, own: Required<RunAllowance>): RunLimits {
  return runLimits({
    timeoutMs: Math.min(spec.limits.timeoutMs, own.timeoutMs),
    memoryMb: Math.min(spec.limits.memoryMb, own.memoryMb),
    credits: runCreditsMax(spec, own.credits),
    responseBytes: own.responseBytes,
  });
}
