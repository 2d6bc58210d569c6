/**
 * dns-01 by a program of the provider's own: `PROGRAM ARGUMENTS… present|cleanup NAME TEXT`. The
 * native helper starts it, as all that we start: without our environment, capabilities or
 * descriptors, and with an end.
 */
import { helperPath, spawnHelper } from "../../../sandbox/native.ts";
import { KhachapuriError } from "../../errors.ts";
import type { HookConfig } from "../../config_acme.ts";
import { HOOK_OUTPUT_BYTES_MAX, HOOK_TIMEOUT_MS } from "../../limits_of_certificates.ts";
import type { ChangeRecord } from "./dns_challenge.ts";
import { plain } from "./problem.ts";

/** Exit status with which the helper says that it was killed for its time (timeout(1)). */
const LATE = 124;
const NOT_STARTED = 127;

/** @param helper path of the native helper; by default the one that is shipped */
export function hookChange(
  { command, timeoutSeconds }: Pick<HookConfig, "command" | "timeoutSeconds">,
  helper?: string,
): ChangeRecord {
  return async (change, { name, text }, signal) => {
    signal.throwIfAborted();
    const path = helper ?? await helperPath();
    const seconds = Math.min(timeoutSeconds, HOOK_TIMEOUT_MS / 1_000);
    const verb = change === "add" ? "present" : "cleanup";
    const child = spawnHelper(path, ["hook", String(seconds), ...command, verb, name, text]);
    // Its stdin is ours: the helper ends what it started once that closes.
    const stop = () => void child.stdin.close().catch(() => {});
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const [said, complained, { code }] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      child.status,
    ]);
    signal.removeEventListener("abort", stop);
    await child.stdin.close().catch(() => {});
    if (code === 0) return;
    const words = plain(complained || said);
    const why = code === LATE
      ? `it took longer than ${seconds} s`
      : code === NOT_STARTED
      ? "it can't be started"
      : `it ended with status ${code}`;
    throw new KhachapuriError(
      "no_certificate",
      `${command[0]} ${verb} ${name}: ${why}${words ? `: ${words}` : ""}`,
      { hints: ["see provider.acme.dns.command in config.json"], data: { problem: "hook" } },
    );
  };
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  // Read to its end, or whoever writes would stand still.
  for await (const part of stream) {
    if (text.length < HOOK_OUTPUT_BYTES_MAX) text += decoder.decode(part, { stream: true });
  }
  return text.slice(0, HOOK_OUTPUT_BYTES_MAX);
}
