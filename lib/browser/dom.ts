/**
 * What we use of a page, and no more: the types of browsers and those of Deno cannot be checked
 * side by side. In a browser each name is the standard's own (DOM, HTML).
 */

export interface PageElement extends EventTarget {
  textContent: string | null;
  hidden: boolean;
  className: string;
  readonly dataset: Record<string, string | undefined>;
  append(...nodes: (PageElement | string)[]): void;
  replaceChildren(...nodes: (PageElement | string)[]): void;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  querySelector<E extends PageElement>(selectors: string): E | null;
  focus(): void;
  click(): void;
}

/** An input, a select, a textarea or a button. */
export interface Control extends PageElement {
  value: string;
  /** What the page was sent with. */
  readonly defaultValue: string;
  disabled: boolean;
  select(): void;
}

interface PageDocument extends EventTarget {
  createElement(name: string): Control & { href: string; download: string };
  getElementById(id: string): Control | null;
  querySelectorAll<E extends PageElement>(selectors: string): Iterable<E>;
}

interface Page extends EventTarget {
  readonly document: PageDocument;
  readonly location: { readonly origin: string };
  readonly navigator: {
    /** Absent where the page was not had over https. */
    readonly clipboard?: { writeText(text: string): Promise<void> };
  };
}

export const page = globalThis as unknown as Page;

/** An element that the page was sent with. */
export function byId(id: string): Control {
  const element = page.document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** Elements by a selector. */
export function all<E extends PageElement = Control>(selectors: string): E[] {
  return [...page.document.querySelectorAll<E>(selectors)];
}

/** A new element with a text. */
export function make(name: string, text = "") {
  const element = page.document.createElement(name);
  element.textContent = text;
  return element;
}
