/** Asking providers about one's own, as far as that takes nothing that a person has to give. */
import { KhachapuriError } from "../errors.ts";
import { readKeyFile } from "../spec/keys.ts";
import type { CommandContext } from "./command.ts";

/** Whether the key file holds a key to ask with: nobody is asked for one. */
export async function hasKey({ keysPath }: CommandContext): Promise<boolean> {
  const file = await unlessRefused(readKeyFile(keysPath));
  return file?.account !== undefined;
}

/** The answer; null where it is a failure that is known. */
export async function unlessRefused<Result>(asked: Promise<Result>): Promise<Result | null> {
  return await asked.catch((error) => {
    if (error instanceof KhachapuriError) return null;
    throw error;
  });
}
