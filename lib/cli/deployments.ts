/** `deployments`: what was deployed from here, and what becomes of it. */
import { readDeployments } from "../client/deployments_file.ts";
import { defineCommand } from "./command.ts";
import { detailsText } from "./deployment_details.ts";
import { readRows, type Row, rowJson } from "./deployment_rows.ts";
import { tableLines } from "./deployment_table.ts";
import { ownDeployment } from "./own_deployment.ts";

export const deployments = defineCommand({
  usage: "[CID|LABEL|URL] [--all]",
  details: [
    "What was deployed from here, the newest first: its name and folder, how its cid begins, its " +
    "age and state, the credits that it has spent and that are left with its provider, how its " +
    "latest run ended, and its URL; below that what it needs, as credits, or a new permit because " +
    "the provider's price rose or the permit was taken back. What is stopped is shown with --all.",
    "CID, the name, the folder or the beginning of the cid: all about that one. Of a program that " +
    "is a server, which instances there are, as its provider tells the owner.",
    "With --json all about all of them, oldest first.",
  ],
  examples: [
    "deployments",
    "deployments blog",
    "deployments https://paolo.example/bafkrei…",
    "deployments --json",
  ],
  options: { all: { type: "boolean", description: "what is stopped, too" } },
  positionals: { min: 0, max: 1 },
  async run(context, { options, positionals: [wanted] }) {
    const { out, home } = context;
    const own = wanted === undefined
      ? await readDeployments(home)
      : [await ownDeployment(home, wanted, undefined)];
    if (own.length === 0) {
      return out.result({ deployments: [] }, ["nothing was deployed from here yet"]);
    }
    const rows = await readRows(context, own);
    const lines = wanted === undefined
      ? listLines(rows, options.all)
      : [rows.map(detailsText).join("\n\n")];
    out.result({ deployments: rows.map(rowJson) }, lines);
  },
});

function listLines(rows: readonly Row[], isAll: boolean): string[] {
  const shown = isAll ? rows : rows.filter(({ provider }) => provider.stoppedAt === undefined);
  const hidden = rows.length - shown.length;
  const note = `${hidden} that ${
    hidden === 1 ? "is" : "are"
  } stopped: khachapuri deployments --all`;
  return [
    ...(shown.length === 0 ? [] : tableLines(shown, Date.now())),
    ...(hidden === 0 ? [] : [note]),
  ];
}
