/** Asks at a terminal for what is missing, one thing a line, and again until it is right. */
import { KhachapuriError } from "../../errors.ts";
import type { CommandContext } from "../command.ts";
import { type Answers, HTTPS_WAYS, type HttpsWay, missingIn, parseAnswers } from "./answers.ts";
import { CHAINS } from "./chains.ts";

interface Question {
  readonly field: keyof Answers;
  /** What it is for, a line each. */
  readonly about: readonly string[];
  readonly ask: string;
  /** What an empty answer stands for; null: there has to be one; "": nothing is said. */
  readonly byDefault: string | null;
  isAsked?(answers: Answers): boolean;
  /** What a text stands for, to be checked as the file of answers is. */
  read?(text: string): unknown;
}

const isAcme = ({ https = "http-01" }: Answers) => https !== "files" && https !== "proxy";
const urls = (text: string) => text.split(/[\s,]+/).filter(Boolean);

const QUESTIONS: readonly Question[] = [
  {
    field: "name",
    about: ["The ENS name under which you are found. It belongs to your provider key."],
    ask: "Name, as paolo.eth",
    byDefault: null,
  },
  {
    field: "domain",
    about: [
      "The web domain that callers use. It, and for {cid}.domain also *.domain, is to lead here.",
    ],
    ask: "Domain, as paolo.example",
    byDefault: null,
  },
  {
    field: "price",
    about: ["What one call costs, in USDC. You can change it later."],
    ask: "Price",
    byDefault: "0.001",
  },
  {
    field: "chain",
    about: [`The chain that you are paid on: ${Object.keys(CHAINS).join(", ")}.`],
    ask: "Chain",
    byDefault: "base",
    isAsked: ({ rpc }) => rpc === undefined,
  },
  {
    field: "rpc",
    about: [
      "JSON-RPC endpoints of that chain, two of different parties, with a space between. Public",
      "ones are slow at times: name your own if you have any.",
    ],
    ask: "Endpoints",
    byDefault: "public ones",
    isAsked: ({ chain, rpc }) => chain !== undefined && rpc === undefined,
    read: (text) => text === "public ones" ? undefined : urls(text),
  },
  {
    field: "address",
    about: [
      "The address of your provider key. It owns the name and the earnings and never comes here:",
      "`khachapuri init` on your own machine makes one.",
    ],
    ask: "Address, 0x…",
    byDefault: null,
  },
  {
    field: "gateways",
    about: [
      "IPFS gateways, with a space between. None is needed: what is deployed is pushed here.",
    ],
    ask: "Gateways",
    byDefault: "",
    read: urls,
  },
  {
    field: "https",
    about: [
      "How HTTPS is had: http-01 (a certificate by itself, over port 80), tls-alpn-01 (over 443),",
      "dns-01 (also for *.domain), files (your own certificate), proxy (one before us does it).",
    ],
    ask: "HTTPS",
    byDefault: "http-01",
    read: (text) => HTTPS_WAYS.find((way) => way === text.toLowerCase()) ?? text as HttpsWay,
  },
  {
    field: "email",
    about: ["Where the certificate authority may write to you."],
    ask: "E-mail",
    byDefault: "",
    isAsked: isAcme,
  },
  {
    field: "agreeToCa",
    about: ["Let's Encrypt's terms: https://letsencrypt.org/repository/"],
    ask: "Do you agree to them, yes or no",
    byDefault: null,
    isAsked: isAcme,
    read: (text) => /^y(es)?$/i.test(text) ? true : undefined,
  },
  {
    field: "certificate",
    about: [
      "Your certificate with its chain, and its key: two PEM files that khachapuri can read.",
    ],
    ask: "Both paths, with a space between",
    byDefault: null,
    isAsked: ({ https }) => https === "files",
    read: (text) => {
      const [cert = "", key = ""] = text.split(/\s+/);
      return { cert, key };
    },
  },
];

/** With so many wrong answers in a row nobody is there. */
const TRIES = 20;

/** @throws KhachapuriError `usage` for what can't be asked here */
export async function askFor(context: CommandContext, known: Answers): Promise<Answers> {
  let answers = known;
  for (const question of QUESTIONS) {
    const { field, isAsked = () => true } = question;
    if (answers[field] !== undefined || !isAsked(answers)) continue;
    const value = await answerTo(context, question);
    if (value !== undefined) answers = { ...answers, [field]: value };
    if (field === "agreeToCa" && value === undefined) {
      throw new KhachapuriError("usage", "no certificate is given without that", {
        hints: ["take another way to have HTTPS: khachapuri up --https files, or proxy"],
      });
    }
  }
  const missing = missingIn(answers).filter((flag) => !/^--chain/.test(flag));
  if (missing.length === 0) return answers;
  throw new KhachapuriError("usage", "this has to be said by a flag", { hints: missing });
}

/** A value that is right; undefined where none is given and none is needed. */
async function answerTo({ world, out }: CommandContext, question: Question): Promise<unknown> {
  const { field, about, ask, byDefault, read = (text: string) => text } = question;
  out.note("");
  for (const line of about) out.note(line);
  const shown = byDefault ? ` [${byDefault}]` : "";
  for (let tries = 0; tries < TRIES; tries++) {
    const typed = (await world.ask(`${ask}${shown}: `, false)).trim();
    const text = typed || byDefault;
    if (text === "") return undefined;
    if (text === null) {
      out.note("an answer is needed (Ctrl-C ends)");
      continue;
    }
    try {
      const value = read(text);
      if (value === undefined) return undefined;
      return parseAnswers({ [field]: value }, ask, "usage")[field];
    } catch (error) {
      if (!(error instanceof KhachapuriError)) throw error;
      out.note(error.shortMessage.replace(/^[^:]*: (?:\w+(?:\.\w+)?: )?/, ""));
    }
  }
  throw new KhachapuriError("usage", `there is no answer: ${ask}`);
}
