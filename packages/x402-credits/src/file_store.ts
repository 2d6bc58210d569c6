/** The package's entry `/file`: a store in a file, for runtimes that have files. */
import { open, readFile, rename } from "node:fs/promises";
import type { CreditsStore } from "../index.d.ts";

export function fileStore(path: string): CreditsStore {
  return {
    async load() {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if ((error as { code?: string }).code === "ENOENT") return null;
        throw error;
      }
    },
    /** Its content is on disk before it takes the name: an end at any moment leaves one of both. */
    async save(text) {
      const fresh = `${path}.new`;
      const file = await open(fresh, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(fresh, path);
    },
  };
}
