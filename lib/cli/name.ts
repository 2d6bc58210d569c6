/** `name`: what a name points to, pointing it to a deployment, and taking it back. */
import type { CidText } from "../cid.ts";
import { forgetLabel, noteLabel } from "../client/deployments_file.ts";
import { askName } from "../client/registered_name.ts";
import { asKhachapuriError, type KhachapuriError } from "../errors.ts";
import { timeTextOfMs } from "../time_text.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import type { NamedProvider } from "./name_at_provider.ts";
import { lapseText } from "./name_lapse.ts";
import { listNames } from "./name_list.ts";
import { moveAll, movedJson, movedLines, prepareAll } from "./name_move.ts";
import type { NamePlace, NameState } from "./name_place.ts";
import { NAME_OPTIONS, type NameFlags, nameOf, placesOf, urlsOf } from "./name_places.ts";
import { PROVIDER_OPTION, providersOf } from "./name_providers.ts";
import { deploymentReference } from "./own_deployment.ts";

const OPTIONS = { provider: PROVIDER_OPTION, ...NAME_OPTIONS } as const;

const ACTIONS: ReadonlySet<string> = new Set(["set", "show", "remove"]);

type Flags = NameFlags & { provider: string[] };

export const name = defineCommand({
  usage: "set NAME DEPLOYMENT | show NAME | remove NAME | list [flags]",
  details: [
    "A name is a URL that stays while the deployment behind it changes. blog is a label in the " +
    "register of its providers, moved by your signature; blog.eth is of ENS, or of a Registry, " +
    "moved by a transaction of its owner; www.example.com is of DNS, where you set the record " +
    "that set prints (DNSLink).",
    "DEPLOYMENT is a cid, or what a deployment of yours is called. show tells what the name " +
    "points to where it is said and at each provider, which may be some minutes behind.",
    "list tells the names that you have: what the registers of the providers say that you deployed " +
    "to (or of --provider), also if this home has forgotten it, and names of ENS and DNS that were " +
    "set from here. A deployment may have several; names in a register count, each one, against " +
    "what you have allowed there.",
    "A name of ENS keeps its resolver; one without gets the resolver of its registry.",
  ],
  examples: [
    "name set blog bafkrei… --provider paolo.eth",
    "name set blog.eth bafkrei…",
    "name set www.example.com blog",
    "name show blog.eth",
    "name remove blog --provider paolo.eth",
    "name list",
  ],
  options: OPTIONS,
  choices: ["set", "show", "remove", "list"],
  positionals: { min: 1, max: 3 },
  async run(context, { positionals, options }) {
    const [action, text, deployment] = positionals;
    if (action === "list") {
      if (text !== undefined) throw usageError("name", `what is "${text}"?`);
      return await listNames(context, options.provider);
    }
    if (!ACTIONS.has(action!)) {
      throw usageError("name", `unknown action "${action}": set, show, remove or list`);
    }
    if (text === undefined) throw usageError("name", `${action} which name?`);
    if (action === "set") {
      if (deployment === undefined) throw usageError("name", "set to which deployment?");
      return await set(context, text, deployment, options);
    }
    if (deployment !== undefined) throw usageError("name", `what is "${deployment}"?`);
    if (action === "show") return await show(context, text, options);
    await move(context, text, null, options);
  },
});

async function set(
  context: CommandContext,
  text: string,
  deployment: string,
  flags: Flags,
): Promise<void> {
  await move(context, text, (await deploymentReference(context.home, deployment)).cid, flags);
}

/** Points the name to `cid`, null to nowhere, and says so. */
export async function move(
  context: CommandContext,
  text: string,
  cid: CidText | null,
  flags: Flags,
): Promise<void> {
  const named = await nameOf(context, text);
  const providers = await providersOf(context, named, flags.provider, cid);
  const places = await placesOf(context, named, providers, flags);
  const movables = await prepareAll(places, await context.account());
  context.out.progress(`moving ${named.text}`);
  const moved = await moveAll(named.text, movables, cid);
  if (cid === null) await forgetLabel(context.home, named.text);
  else await noteLabel(context.home, cid, named.text);
  const urls = cid === null ? [] : urlsOf(named, providers);
  context.out.result({ name: named.text, kind: named.kind, cid, urls, places: movedJson(moved) }, [
    cid === null ? named.text : `${named.text} → ${cid}`,
    ...movedLines(moved),
    ...urls,
  ]);
}

async function show(context: CommandContext, text: string, flags: Flags): Promise<void> {
  const named = await nameOf(context, text);
  const providers = await providersOf(context, named, flags.provider, null);
  const places = await placesOf(context, named, providers, flags);
  const said = await Promise.all(places.map(saidAt));
  const heard = named.kind === "register"
    ? []
    : await Promise.all(providers.map((provider) => heardAt(provider, named.text)));
  const all = [...said, ...heard];
  const answered = all.filter(({ error }) => error === null);
  // Where nobody could be asked, that is the answer.
  if (answered.length === 0 && all[0]?.error) throw all[0].error;
  const urls = urlsOf(named, providers);
  const { out } = context;
  out.result({ name: named.text, kind: named.kind, urls, places: all.map(sayingJson) }, [
    named.text,
    ...all.map(sayingLine),
    ...urls,
  ]);
}

interface Saying {
  where: string;
  state: NameState | null;
  error: KhachapuriError | null;
}

async function saidAt({ where, look }: NamePlace): Promise<Saying> {
  try {
    return { where, state: await look(), error: null };
  } catch (thrown) {
    return { where, state: null, error: asKhachapuriError(thrown) };
  }
}

/** What a provider believes of a name that is said elsewhere. */
function heardAt({ name: where, webDomain }: NamedProvider, name: string): Promise<Saying> {
  const look = async () => {
    const { cid, kind, checkedAt, isStale } = await askName(webDomain, name);
    return { cid, history: null, facts: { kind, checkedAt, isStale } };
  };
  return saidAt({ where, look, prepare: () => Promise.reject(new TypeError("it only tells")) });
}

function sayingJson({ where, state, error }: Saying) {
  if (state === null) return { where, error: error!.code, message: error!.shortMessage };
  const { cid, history, facts } = state;
  return { where, cid, ...facts, ...(history ? { history } : {}) };
}

function sayingLine({ where, state, error }: Saying): string {
  if (state === null) return `  ${where}: ${error!.shortMessage}`;
  const { cid, history, facts } = state;
  const since = history?.at(-1)?.at;
  const when = since === undefined ? "" : `, since ${timeTextOfMs(since)}`;
  const lapse = lapseText(typeof facts.lapsesAt === "number" ? facts.lapsesAt : null);
  return `  ${where}: ${cid ?? "nothing"}${when}${facts.isStale ? ", as last heard" : ""}${lapse}`;
}
