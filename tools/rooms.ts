/**
 * The rooms of lib/provider in the order in which they stand on one another, and what each is for.
 * A room imports from those before it, type imports included, never from one behind it or beside.
 */
import { importsOf, isTypeScript, type SourceFile } from "./tidy.ts";

export interface Room {
  readonly name: string;
  readonly why: string;
  /** Rooms on the same floor do not know each other. */
  readonly floor: number;
}

export const ROOMS: readonly Room[] = [
  {
    floor: 0,
    name: "fleet",
    why: "what a provider's nodes share: the database, who lives and leads",
  },
  { floor: 1, name: "ledger", why: "what is used, held, settled and due, durably; decides holds" },
  { floor: 1, name: "http", why: "requests and answers as the wire and browsers have them" },
  { floor: 1, name: "control", why: "what commands of this machine ask of the provider that runs" },
  { floor: 1, name: "denial", why: "whom the operator serves no more, and why" },
  { floor: 1, name: "metrics", why: "counters and gauges" },
  { floor: 2, name: "succession", why: "what starts a process in this one's stead, and systemd" },
  { floor: 2, name: "wire", why: "sockets: connections, requests off them, answers onto them" },
  { floor: 2, name: "content", why: "what owners have kept, taken in and given out" },
  { floor: 2, name: "deployment", why: "from a cid to a verified spec, its program, its records" },
  { floor: 2, name: "naming", why: "names: who has them, what they point to, DNS" },
  { floor: 2, name: "server", why: "servers: their instances, and requests to them" },
  { floor: 3, name: "money", why: "who pays, in which scheme, and what the chain says of it" },
  { floor: 3, name: "program", why: "sandboxes, and how a program is given a request" },
  { floor: 3, name: "acme", why: "certificates, had from an authority and renewed by itself" },
  { floor: 4, name: "settlement", why: "the chain: transactions, batches, events, relays" },
  { floor: 5, name: "call", why: "one call, from its arrival to the end of its accounts" },
  { floor: 6, name: "dev", why: "a program served to its developer, anew whenever it changes" },
  { floor: 6, name: "backup", why: "a provider's machine in one file, and back from it" },
  { floor: 6, name: "handover", why: "one process takes another's place: what passes between" },
  { floor: 7, name: "door", why: "start, wiring, socket, routes" },
];

const HOME = "lib/provider/";

/** Imports within lib/provider against the order of its rooms; tests may import anything. */
export function roomComplaints(files: readonly SourceFile[]): string[] {
  const complaints: string[] = [];
  for (const file of files) {
    if (!isTypeScript(file) || file.path.endsWith("_test.ts")) continue;
    if (!file.path.startsWith(HOME)) continue;
    const from = roomOf(file.path);
    if (!from) {
      complaints.push(`${file.path} is in no room`);
      continue;
    }
    for (const { target } of importsOf(file)) {
      if (!target.startsWith(HOME)) continue;
      const to = roomOf(target);
      const isDown = to !== undefined && (to === from || to.floor < from.floor);
      if (!isDown) complaints.push(`${file.path} may not import ${target}`);
    }
  }
  return complaints;
}

function roomOf(path: string): Room | undefined {
  const [name] = path.slice(HOME.length).split("/");
  return ROOMS.find((room) => room.name === name);
}
