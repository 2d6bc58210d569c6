/** How pages look: by the reader's own colours and fonts, on any width. */

/** For every page. All text stands out 7 to 1 at least (WCAG 2.2, 1.4.6). */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1d1b18; --dim: #57534c; --paper: #fffdf9; --box: #f4f0e8;
  --link: #8a3d00; --bad: #8f1d1d; --line: #d8d0c2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ece8e1; --dim: #b9b3a9; --paper: #191715; --box: #26231f; --link: #f0a868;
    --bad: #ffaba1; --line: #47413a } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: var(--ink);
  background: var(--paper) }
main { max-width: 68rem; margin: 0 auto; padding: 1.25rem 1rem 1.5rem }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem }
h2 { font-size: 1.05rem; margin: 1.25rem 0 .35rem }
h1, dd, td, th, p { overflow-wrap: anywhere }
p { margin: .35rem 0; max-width: 52rem }
.dim { color: var(--dim) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; margin: .5rem 0 }
dt { color: var(--dim) } dd { margin: 0 }
pre, code, textarea { font: .875rem/1.5 ui-monospace, monospace }
pre { background: var(--box); border-radius: 6px; padding: .55rem .8rem; margin: .35rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere }
.lines { position: relative }
.lines pre { padding-right: 4.5rem }
.lines button { position: absolute; top: .3rem; right: .3rem; font-size: .8rem;
  padding: .15rem .5rem; background: var(--paper) }
a { color: var(--link) }
summary { cursor: pointer; color: var(--dim) }
button, .button { font: inherit; color: var(--link); background: none; cursor: pointer;
  border: 1px solid var(--link); border-radius: 6px; padding: .3rem .8rem; text-decoration: none;
  display: inline-block }
button:hover, .button:hover { background: var(--box) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
[tabindex="-1"]:focus { outline: none }
.halves { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2.5rem }
.halves > * { min-width: 0 }
@media (max-width: 52rem) { .halves { grid-template-columns: 1fr } }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
[hidden] { display: none !important }`;
