/** The tunnel to a program, as its caller's connection is joined to it. */
import type { AnswerTunnel } from "../http/request.ts";
import type { Tunnel } from "../http/tunnel.ts";
import type { Call, Started } from "./call.ts";

/** Tells of what is not taken, so that nobody pays for a program that waits for its caller. */
export class RunTunnel implements AnswerTunnel {
  /** @param ended the end of the run and its accounts */
  constructor(
    private readonly call: Call,
    private readonly uptake: Started["uptake"],
    private readonly tunnel: Tunnel,
    readonly ended: Promise<unknown>,
  ) {}

  async read(): Promise<Uint8Array | null> {
    this.uptake.take();
    const bytes = await this.tunnel.read();
    if (bytes !== null) this.uptake.hand();
    return bytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.tunnel.write(bytes);
  }

  /** Its caller may have ended it as one should: then it is not one that left its run behind. */
  close(): void {
    this.call.arrival.request.whenGone(null);
    this.tunnel.close();
  }
}
