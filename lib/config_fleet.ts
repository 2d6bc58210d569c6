/**
 * The configuration's section `provider.fleet`: one of several nodes of a provider, which have the
 * same keys. Absent: the provider is this machine alone.
 */
import * as v from "valibot";
import { httpUrlShape, placeShape } from "./shape.ts";

/** A host that stands for all addresses of a machine, and a port that the system chooses. */
const NOWHERE_TO_REACH = /^(?:0\.0\.0\.0|\[::\]|\[::0\]):|:0+$/;

export const fleetShape = v.exactOptional(v.pipe(
  v.strictObject({
    /** This node's name: its own for good, as which content it is the home of goes by it. */
    node: v.pipe(
      v.string(),
      v.regex(
        /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
        'not letters a to z, digits and "-", 32 of them at most',
      ),
    ),
    /** host:port where the other nodes ask this one; nobody else has a use for it. */
    listen: placeShape,
    /** Where they reach it; by default at `listen`. */
    url: v.exactOptional(httpUrlShape),
  }),
  v.forward(
    v.check(
      ({ listen, url }) => url !== undefined || !NOWHERE_TO_REACH.test(listen),
      "is nowhere that others can reach: provider.fleet.url says where they do",
    ),
    ["listen"],
  ),
));

export type FleetConfig = NonNullable<v.InferOutput<typeof fleetShape>>;

/** Where the other nodes reach this one. */
export function nodeUrlOf({ listen, url }: FleetConfig): string {
  return url ?? `http://${listen}`;
}
