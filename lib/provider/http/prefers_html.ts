/** Who asks for a page rather than for data (RFC 9110, section 12.5.1). */

/**
 * Whether `accept` is that of a browser that goes to a page: it names HTML, and JSON less or not at
 * all. Scripts and programs take anything, and get JSON.
 */
export function prefersHtml(accept: string | null): boolean {
  const qualities = new Map((accept ?? "").toLowerCase().split(",").map(qualityOf));
  return (qualities.get("text/html") ?? 0) > (qualities.get("application/json") ?? 0);
}

/** A quality that cannot be read is none. */
function qualityOf(range: string): [type: string, quality: number] {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
  const given = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return [type, Number.isNaN(quality) ? 0 : quality];
}
