/** Ways to leave a server with less than it had: each is one connection that somebody gives up. */
import { CUT, ECHO, request } from "./case.ts";
import type { Connection } from "./connection.ts";

/** What an attacker holds until it lets go. */
export interface Attack {
  readonly name: string;
  /** Begins; disposing of what it returns closes the connection. */
  begin(open: Open): Promise<Connection>;
  /** Whether each has a run that must have begun before it lets go. */
  readonly hasRun: boolean;
}

/** Connects and sends these octets, with the deployments' cids in them. */
export type Open = (...pieces: string[]) => Promise<Connection>;

const DEADLINE_MS = 10_000;
const call = (path: string, ...fields: string[]) => request("GET", `/${ECHO}${path}`, fields);
const HALF_HEAD = `POST /${ECHO}/ HTTP/1.1\r\nHost: a\r\nX-A: `;
const upload = (path: string, ...fields: string[]) => request("POST", `/${ECHO}${path}`, fields);
const CHUNKED = "Transfer-Encoding: chunked";

export const ATTACKS: readonly Attack[] = [
  { name: "a hang-up before the head", begin: (open) => open(call("/sleep")), hasRun: true },
  {
    name: "a hang-up before the head, half the body sent",
    hasRun: true,
    begin: (open) => open(upload("/sleep", "Content-Length: 100"), "x".repeat(50)),
  },
  {
    name: "a hang-up after the head, half the body sent",
    hasRun: true,
    async begin(open) {
      const connection = await open(upload("/head", "Content-Length: 100"), "x".repeat(50));
      await connection.readHead(DEADLINE_MS);
      return connection;
    },
  },
  {
    name: "a hang-up after the head, half a chunk sent",
    hasRun: true,
    async begin(open) {
      const connection = await open(upload("/head", CHUNKED), "64\r\nxxx");
      await connection.readHead(DEADLINE_MS);
      return connection;
    },
  },
  {
    name: "half a body",
    begin: (open) => open(upload("/", "Content-Length: 9"), "x"),
    hasRun: true,
  },
  {
    name: "a body that comes slowly",
    hasRun: true,
    begin: (open) => open(upload("/", "Content-Length: 99"), ..."slowly"),
  },
  { name: "half a head", begin: (open) => open(HALF_HEAD), hasRun: false },
  { name: "a connection that says nothing", begin: (open) => open(), hasRun: false },
  {
    name: "a connection that is kept and says no more",
    hasRun: false,
    async begin(open) {
      const connection = await open(request("GET", "/healthz"));
      await connection.readAnswer("GET", DEADLINE_MS);
      return connection;
    },
  },
  // Closed with octets unread, a connection is reset.
  { name: "a reader that reads nothing", begin: (open) => open(call("/flood")), hasRun: true },
  {
    name: "a reset with the body unfinished",
    hasRun: true,
    begin: (open) => open(upload("/head", "Content-Length: 100"), "x".repeat(50)),
  },
  {
    name: "a time limit",
    hasRun: false,
    async begin(open) {
      const connection = await open(request("GET", `/${CUT}/`));
      await connection.readAnswer("GET", DEADLINE_MS);
      return connection;
    },
  },
  {
    name: "a time limit with the body unfinished",
    hasRun: false,
    async begin(open) {
      const connection = await open(request("POST", `/${CUT}/`, ["Content-Length: 100"]), "xxx");
      await connection.readAnswer("GET", DEADLINE_MS);
      return connection;
    },
  },
  {
    name: "a chunk that is none",
    hasRun: false,
    async begin(open) {
      const connection = await open(upload("/", CHUNKED), "3\r\nabc\r\n", "zz\r\n");
      await connection.readAnswer("GET", DEADLINE_MS);
      return connection;
    },
  },
  {
    name: "a head that is none",
    hasRun: false,
    async begin(open) {
      const connection = await open("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
      await connection.readAnswer("GET", DEADLINE_MS);
      return connection;
    },
  },
];
