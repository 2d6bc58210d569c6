/** Where a provider answers for a deployment by its name: paths count from the slash. */
export function nameUrl(webDomain: string, name: string): string {
  return `${webDomain}/${name}/`;
}
