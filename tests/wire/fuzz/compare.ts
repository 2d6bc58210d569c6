/** What a provider may make of a connection, given what the reference reads there. */
import assert from "node:assert/strict";
import { type Answer, Connection, type Ending, toOctets } from "../connection.ts";
import type { Attempt } from "./generate.ts";
import type { GrammarReading } from "./grammar.ts";
import type { Reading, ReadRequest } from "./reference.ts";

/** Longer than this no connection of an attempt lives. */
const DEADLINE_MS = 20_000;
/** The parser's code for octets behind the last request of a connection: they are nobody's. */
const AFTER_THE_LAST = "HPE_CLOSED_CONNECTION";

/** A malformed body of a request that asks for another protocol. */
const UNTOLD = "UNTOLD";

/** What came back: requests as the provider saw them, a refusal after them, the end. */
export interface Heard {
  readonly taken: readonly SeenRequest[];
  readonly refusal: number | null;
  readonly ending: Ending;
}

/** A request as the provider saw it, as its answer tells. */
export interface SeenRequest {
  readonly protocol: string;
  readonly method: string;
  readonly path: string;
  readonly query: string | null;
  readonly host: string;
  /** Names in lower case and values in turn. */
  readonly fields: readonly string[];
  /** Octets as Latin-1. */
  readonly body: string;
}

/** What the readers make of an attempt. */
export interface Readings {
  /** What is to be taken, and what is wrong after it. */
  readonly grammar: GrammarReading;
  readonly reference: Reading;
}

/** Sends an attempt and hears all answers, each of which tells the request that it is for. */
export async function hear(
  port: number,
  { pieces }: Attempt,
  { grammar, reference }: Readings,
): Promise<Heard> {
  using connection = await Connection.open(port);
  for (const piece of pieces) await connection.send(piece);
  const taken: SeenRequest[] = [];
  let refusal: number | null = null;
  const isOver = async () => {
    const answer = await finalAnswer(connection);
    if (answer?.status === 200) taken.push(told(answer));
    else refusal = answer?.status ?? null;
    return answer?.status !== 200;
  };
  const isWrong = isFailure(reference) || reference.requests.length > grammar.requests.length;
  const wanted = grammar.requests.length + (isWrong ? 1 : 0);
  let isDone = false;
  while (!isDone && taken.length < wanted) isDone = await isOver();
  // Only now: who ends its side before it was answered has hung up.
  await connection.sendEnd();
  while (!isDone) isDone = await isOver();
  return { taken, refusal, ending: await connection.readEnd(DEADLINE_MS) };
}

const isFailure = ({ failure }: Reading) => failure !== null && failure !== AFTER_THE_LAST;

async function finalAnswer(connection: Connection): Promise<Answer | null> {
  const answer = await connection.readAnswer("GET", DEADLINE_MS);
  return answer?.status === 100 ? await finalAnswer(connection) : answer;
}

function told({ body }: Answer): SeenRequest {
  return JSON.parse(new TextDecoder().decode(toOctets(body)));
}

/** Where the two readers differ; null: the grammar takes nothing that the reference does not. */
export function disagreement({ grammar, reference }: Readings): string | null {
  const { requests } = grammar;
  if (requests.length > reference.requests.length) return "the grammar takes more";
  const theirs = reference.requests.slice(0, requests.length).map(asSeen);
  return difference(requests.map(asSeen), theirs);
}

/** What is wrong with what was heard; null: what the grammar takes was taken, the rest refused. */
export function complaint({ grammar, reference }: Readings, heard: Heard): string | null {
  const { requests } = grammar;
  const { taken, refusal, ending } = heard;
  // The run's time limit ends it then: node's parser is silent here, and so is ours.
  if (ending === "open" && reference.failure === UNTOLD) return null;
  if (ending === "open") return "it neither answers nor closes";
  if (taken.length > requests.length) return "it took what is to be refused";
  const other = difference(taken, requests.slice(0, taken.length).map(asSeen));
  if (other) return `it read something else: ${other}`;
  const last = requests[taken.length - 1];
  // Whoever asked for the end, or for another protocol, may get no more answers.
  const isEnded = last !== undefined && (last.isLast || last.fields.includes("upgrade"));
  // What is malformed ends the connection once an answer under way is out; a close is enough then.
  const isCutShort = reference.failure !== null && taken.length > 0;
  const isRefused = refusal !== null || ending === "reset";
  if (taken.length < requests.length && !isEnded && !isCutShort) return "it lost a request";
  if (isFailure(reference) && !isRefused && !isCutShort) return "no refusal";
  return null;
}

function difference(ours: readonly SeenRequest[], theirs: readonly SeenRequest[]): string | null {
  try {
    assert.deepEqual(ours, theirs);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** As the provider tells it: an absolute target takes the place of Host (RFC 9112 3.2.2). */
function asSeen(
  { version, method, target, fields, body }: Omit<ReadRequest, "isUpgrade" | "isKept">,
): SeenRequest {
  const lower = fields.map((text, index) => index % 2 === 0 ? text.toLowerCase() : text);
  const [, authority, rest = target] = /^https?:\/\/([^/?]*)(.*)$/i.exec(target) ?? [];
  const [path] = rest.split("?");
  const query = rest.includes("?") ? rest.slice(rest.indexOf("?") + 1) : null;
  const named = lower[lower.findIndex((text, index) => index % 2 === 0 && text === "host") + 1];
  const host = authority ?? (lower.includes("host") ? named! : "");
  return {
    protocol: `HTTP/${version}`,
    method,
    path: path || "/",
    query,
    host,
    fields: lower,
    body,
  };
}
