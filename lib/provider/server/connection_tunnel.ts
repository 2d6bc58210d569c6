/** A connection to a server after its 101. */
import type { Tunnel } from "../http/tunnel.ts";
import { KhachapuriError } from "../../errors.ts";
import type { ConnectionInput } from "./connection_input.ts";

/** What the tunnel has of its connection. */
export interface TunnelLink {
  readonly input: ConnectionInput;
  /** Writes all of it. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** @param link of which nobody else reads or writes any more */
export function createTunnel({ input, write, close }: TunnelLink): Tunnel {
  let isClosed = false;
  input.becomeTunnel();

  return {
    async read() {
      if (isClosed) return null;
      try {
        if (!await input.fill()) return null;
      } catch {
        if (isClosed) return null;
        throw broken();
      }
      const { rest } = input;
      input.take(rest.length);
      return input.kept(rest);
    },
    async write(bytes) {
      if (isClosed) throw broken();
      try {
        await write(bytes);
      } catch {
        throw broken();
      }
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      close();
    },
  };
}

function broken(): KhachapuriError {
  return new KhachapuriError("program_failed", "the connection to the program broke");
}
