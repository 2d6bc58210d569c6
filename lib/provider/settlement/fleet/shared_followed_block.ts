/** How far leaders of a fleet have read the chain: the next one goes on there. */
import type { Database } from "../../fleet/database.ts";
import { readSetting, writeSetting } from "../../fleet/settings.ts";
import { type FollowedSubject, fromKept, toKept } from "../followed_block.ts";
import type { BlockId } from "../known_blocks.ts";

const KEY = "followed";

/** The block that was kept for the subject; null when there is none that can be read. */
export async function readSharedFollowedBlock(
  database: Database,
  subject: FollowedSubject,
): Promise<BlockId | null> {
  return fromKept(await readSetting(database, KEY), subject);
}

/** Puts the block in the place of the one before: all that it told is written down. */
export async function keepSharedFollowedBlock(
  database: Database,
  subject: FollowedSubject,
  block: BlockId,
): Promise<void> {
  await writeSetting(database, KEY, toKept(subject, block));
}
