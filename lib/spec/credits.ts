/** What a spec says of credits, as one file: `dev` needs it at once, and the schema loads much. */

/** How many credits one run may take, each for the time limit in force. */
export function creditsMax(spec: { limits: { credits?: number } }): number {
  return spec.limits.credits ?? 1;
}
