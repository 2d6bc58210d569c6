/** `history` and `rollback`: what a name pointed to, and pointing it there again. */
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { readDeployments } from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import { timeTextOfMs } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { move } from "./name.ts";
import {
  before,
  type NamePlace,
  type NamePoint,
  type NameState,
  presentIndex,
} from "./name_place.ts";
import { type Name, NAME_OPTIONS, type NameFlags, nameOf, placesOf } from "./name_places.ts";
import { ledTo, PROVIDER_OPTION, providersOf } from "./name_providers.ts";
import { deploymentReference } from "./own_deployment.ts";

const OPTIONS = { provider: PROVIDER_OPTION, ...NAME_OPTIONS } as const;

type Flags = NameFlags & { provider: string[] };

export const history = defineCommand({
  usage: "NAME [flags]",
  details: [
    "What NAME pointed to, the latest first: as a chain's events or a provider's register tell " +
    "it. DNS remembers nothing, nor does every RPC: then it is what was deployed from here under " +
    "the name.",
  ],
  examples: ["history blog", "history blog.eth --json"],
  options: { provider: PROVIDER_OPTION, dns: NAME_OPTIONS.dns },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const named = await nameOf(context, positionals[0]!);
    const told = await tellAll(context, named, options);
    const places = told.map(({ where, state: { cid }, points, isOurs }) => {
      const now = presentIndex(points, cid);
      const history = points.map((point, index) => ({ ...point, isNow: index === now }));
      return { where, cid, isFromHere: isOurs, history: history.toReversed() };
    });
    context.out.result({ name: named.text, kind: named.kind, places }, [
      named.text,
      ...places.flatMap(({ where, cid, history, isFromHere }) => [
        `${where}: ${cid ?? "nothing"}${isFromHere ? ", and what was deployed from here:" : ""}`,
        ...history.map((point) => `  ${pointText(point)}${point.isNow ? "  (now)" : ""}`),
      ]),
    ]);
  },
});

function pointText({ cid, at }: NamePoint): string {
  return `${timeTextOfMs(at)}  ${cid ?? "nothing"}`;
}

interface Told {
  where: string;
  state: NameState;
  points: readonly NamePoint[];
  /** Nobody else could tell: it is what this home knows. */
  isOurs: boolean;
}

async function tellAll(context: CommandContext, named: Name, flags: Flags): Promise<Told[]> {
  const providers = await providersOf(context, named, flags.provider, null);
  const places = await placesOf(context, named, providers, flags);
  return await Promise.all(places.map((place) => tell(context.home, named, place)));
}

async function tell(home: string, named: Name, { where, look }: NamePlace): Promise<Told> {
  const state = await look();
  if (state.history !== null) return { where, state, points: state.history, isOurs: false };
  const own = (await readDeployments(home)).filter((each) => ledTo(each, named.text));
  const points = own.map(({ cid, createdAt }) => ({
    cid: formatCid(parseCid(cid)),
    at: Date.parse(createdAt),
  }));
  return { where, state, points, isOurs: true };
}

export const rollback = defineCommand({
  usage: "NAME [--to DEPLOYMENT] [flags]",
  details: [
    "Points NAME to the deployment that it had before the present one: the line below (now) in " +
    "its history. Nothing is published or signed anew: that deployment still stands at its cid, " +
    "unless you stopped it.",
    "A rollback is a line of the history, too, so rolling back again goes forth to where you came " +
    "from. Further back, or to any other of the history, it goes with --to.",
  ],
  examples: ["rollback blog", "rollback blog.eth --to bafkrei…"],
  options: {
    to: { type: "string", value: "DEPLOYMENT", description: "to this one of its history" },
    ...OPTIONS,
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const named = await nameOf(context, positionals[0]!);
    const told = await tellAll(context, named, options);
    const wanted = options.to === undefined
      ? theOneBefore(named, told)
      : (await deploymentReference(context.home, options.to)).cid;
    assertHad(named, told, wanted);
    await assertStands(context.home, wanted);
    await move(context, named.text, wanted, options);
  },
});

/** @throws KhachapuriError `not_found` when there is none, `usage` when places differ */
function theOneBefore({ text }: Name, told: readonly Told[]): CidText {
  const found = new Set(told.map(({ state, points }) => before(points, state.cid)));
  const [first] = found;
  if (found.size > 1) {
    const each = told.map(({ where, state, points }) =>
      `${where}: ${before(points, state.cid) ?? "none"}`
    );
    throw new KhachapuriError("usage", `${text} had different deployments before`, {
      hints: [...each, "say which with --to, or where with --provider"],
    });
  }
  if (first) return first;
  const message = `no deployment is known that ${text} had before the present one`;
  throw new KhachapuriError("not_found", message, {
    hints: [
      `to any of its history (khachapuri history ${text}): khachapuri rollback ${text} --to CID`,
      `or to any of yours: khachapuri name set ${text} CID`,
    ],
  });
}

/** @throws KhachapuriError `not_found` */
function assertHad({ text }: Name, told: readonly Told[], cid: CidText): void {
  if (told.some(({ points }) => points.some((point) => point.cid === cid))) return;
  throw new KhachapuriError("not_found", `${text} never pointed to ${cid}`, {
    hints: [`see khachapuri history ${text}`, `or point it there: khachapuri name set ${text} CID`],
  });
}

/** @throws KhachapuriError `stopped` */
async function assertStands(home: string, cid: CidText): Promise<void> {
  const deployment = (await readDeployments(home)).find((each) => each.cid === cid);
  if (!deployment?.providers.every(({ stoppedAt }) => stoppedAt !== undefined)) return;
  throw new KhachapuriError("stopped", `${cid} was stopped, for good: calls to it get 410`, {
    hints: ["roll back to another with --to, or deploy that program again"],
  });
}
