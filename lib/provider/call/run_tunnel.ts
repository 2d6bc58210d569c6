/** The tunnel to a program, as its caller's connection is joined to it. */
import type { AnswerTunnel } from "../http/request.ts";
import type { Tunnel } from "../http/tunnel.ts";
import type { Call, Started } from "./call.ts";

/** Tells of what is not taken, so that nobody pays for a program that waits for its caller. */
export class RunTunnel implements AnswerTunnel {
  /** @param ended the end of the run and its accounts */
  constructor(
    private readonly call: Call,
    private readonly started: Pick<Started, "uptake" | "paidTime">,
    private readonly tunnel: Tunnel,
    readonly ended: Promise<unknown>,
  ) {}

  /**
   * However its program ends, by a limit or by itself, what it has said is passed on and nothing
   * follows. That it was all, WebSockets tell by a frame of their own.
   */
  async read(): Promise<Uint8Array | null> {
    const { uptake } = this.started;
    uptake.take();
    const bytes = await this.tunnel.read().catch(() => null);
    if (bytes !== null) uptake.hand();
    return bytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.tunnel.write(bytes);
  }

  /** Its caller may have ended it as one should: then it is not one that left its run behind. */
  close(): void {
    this.call.arrival.request.whenGone(null);
    this.started.paidTime?.stop();
    this.tunnel.close();
  }
}
