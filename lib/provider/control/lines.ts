/** JSON values, a line each, over a connection of this machine. */

/** The longest line that either side takes, bytes: what is larger goes through files. */
export const LONGEST_LINE_BYTES = 1024 * 1024;

export interface LineConnection {
  /** Lines go out whole and in the order in which they are sent, whoever waits for which. */
  send(value: unknown): Promise<void>;
  /** The next value; null once the other side has ended. @throws SyntaxError */
  next(): Promise<unknown>;
  close(): void;
}

/** @param bytesMax of one line; a longer one ends the connection with an error */
export function linesOver(connection: Deno.Conn, bytesMax = LONGEST_LINE_BYTES): LineConnection {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(16 * 1024);
  let held = "";
  let isOpen = true;
  let sending = Promise.resolve();
  async function line(): Promise<string | null> {
    for (;;) {
      const end = held.indexOf("\n");
      if (end >= 0) {
        const found = held.slice(0, end);
        held = held.slice(end + 1);
        return found;
      }
      if (held.length > bytesMax) throw new SyntaxError(`a line is longer than ${bytesMax} bytes`);
      const read = await connection.read(chunk);
      if (read === null) return null;
      held += decoder.decode(chunk.subarray(0, read), { stream: true });
    }
  }
  async function write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  }
  return {
    send(value) {
      const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
      return sending = sending.then(() => write(bytes));
    },
    async next() {
      const text = await line();
      return text === null ? null : JSON.parse(text);
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      connection.close();
    },
  };
}
