/** For tests of what is refused: the error that it is refused with. */
import { KhachapuriError } from "../lib/errors.ts";

/** What `work` fails with, as it must. */
export async function refusal(work: Promise<unknown>): Promise<KhachapuriError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof KhachapuriError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}
