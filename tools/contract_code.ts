/** What forge built of a contract, as the TypeScript that lib/chain/abi.ts holds of it. */

/** The part of forge's artifact that is read. */
export interface Artifact {
  abi: AbiItem[];
  bytecode: { object: string };
  deployedBytecode: {
    object: string;
    /** By the declaration's id in the syntax tree. */
    immutableReferences?: Record<string, { start: number; length: number }[]>;
  };
  ast: AstNode;
}

export interface AbiItem {
  type: string;
  name?: string;
  inputs?: { type: string }[];
}

interface AstNode {
  id?: number;
  name?: string;
  nodeType?: string;
  nodes?: AstNode[];
}

/**
 * The runtime code with a hole for each immutable, and where the holes are, in bytes, by name.
 * @param sources the syntax trees that declare them
 * @throws Error for an immutable that none of them declares, or that is no whole word
 */
export function runtimeOf(
  { deployedBytecode: { object, immutableReferences = {} } }: Artifact,
  sources: readonly AstNode[],
): { code: string; immutables: Record<string, number[]> } {
  const names = new Map(sources.flatMap(declarations));
  const immutables: Record<string, number[]> = {};
  for (const [id, places] of Object.entries(immutableReferences)) {
    const name = names.get(Number(id));
    if (name === undefined) throw new Error(`no source declares the immutable ${id}`);
    if (places.some(({ length }) => length !== 32)) throw new Error(`${name} is no whole word`);
    immutables[name] = places.map(({ start }) => start).sort((a, b) => a - b);
  }
  const sorted = Object.entries(immutables).sort(([a], [b]) => a < b ? -1 : 1);
  return { code: object, immutables: Object.fromEntries(sorted) };
}

/** The variables that a source's contracts declare. */
function declarations({ nodes = [] }: AstNode): [number, string][] {
  return nodes.flatMap((contract) => contract.nodes ?? [])
    .filter(({ nodeType }) => nodeType === "VariableDeclaration")
    .map(({ id, name }): [number, string] => [id!, name!]);
}
