/** A connection after it has switched protocols (101): bytes both ways, which are nobody's HTTP. */
export interface Tunnel {
  /** The next bytes; null when the other end sends no more. Fails when it broke. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when there is room for more. Fails when the other end is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends it both ways; calling it again does nothing. */
  close(): void;
}
