/** Buttons that copy what stands in a page: `data-copy` names the element by its id. */
import { all, byId, page, type PageElement } from "./dom.ts";

/** How long a button says that it has copied, ms. */
const SAID_MS = 2_000;

/** Shows the buttons, which do nothing without us, and has them copy. */
export function enableCopying(): void {
  for (const button of all("[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = byId(button.dataset["copy"]!);
      button.textContent = await isCopied(source) ? "Copied" : "Select and copy it";
      setTimeout(() => button.textContent = label, SAID_MS);
    });
  }
}

async function isCopied(source: PageElement & { value?: string }): Promise<boolean> {
  try {
    await page.navigator.clipboard!.writeText(source.value || (source.textContent ?? ""));
    return true;
  } catch {
    // Over plain http, or where it was forbidden.
    return false;
  }
}
