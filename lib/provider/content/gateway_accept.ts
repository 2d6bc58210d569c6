/** In which form a reader takes content: `Accept` and its parameters (RFC 9110 section 12.5.1). */

export const RAW_TYPE = "application/vnd.ipld.raw";
export const CAR_TYPE = "application/vnd.ipld.car";

/** One form that is taken. */
export interface TakenForm {
  readonly format: "raw" | "car";
  /** Whether blocks of a CAR are to come as often as they are met; null where it is not said. */
  readonly hasDuplicates: boolean | null;
}

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The form that is preferred of those that we have; null when none of them is taken. */
export function preferredForm(accept: string): TakenForm | null {
  let best: TakenForm | null = null;
  let bestQuality = 0;
  for (const range of rangesOf(accept)) {
    const quality = Number(range.parameters.get("q") ?? 1);
    const form = formOf(range);
    if (form === null || !(quality > bestQuality)) continue;
    best = form;
    bestQuality = quality;
  }
  return best;
}

function formOf({ type, parameters }: MediaRange): TakenForm | null {
  if (type === RAW_TYPE) return { format: "raw", hasDuplicates: null };
  if (type !== CAR_TYPE || !isCarOfOurs(parameters)) return null;
  return { format: "car", hasDuplicates: duplicatesOf(parameters.get("dups")) };
}

/** Version 1, in an order that may be any or depth first. */
function isCarOfOurs(parameters: MediaRange["parameters"]): boolean {
  const order = parameters.get("order") ?? "dfs";
  return (parameters.get("version") ?? "1") === "1" && (order === "dfs" || order === "unk");
}

function duplicatesOf(text: string | undefined): boolean | null {
  return text === "y" || text === "n" ? text === "y" : null;
}

function rangesOf(accept: string): MediaRange[] {
  return accept.toLowerCase().split(",").map((range) => {
    const [type = "", ...rest] = range.split(";").map((part) => part.trim());
    const pairs = rest.map((part): [string, string] => {
      const [name = "", value = ""] = part.split("=", 2).map((side) => side.trim());
      return [name, value.replace(/^"(.*)"$/, "$1")];
    });
    return { type, parameters: new Map(pairs) };
  });
}
