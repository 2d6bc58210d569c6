/** What the payer's page has beyond any page: forms, and what is said of them. */
export const PAY_STYLE = `
.narrow { max-width: 46rem }
section { border-top: 1px solid var(--line); margin-top: 1.25rem; padding-top: .25rem }
h3 { font-size: 1rem; margin: 1rem 0 .2rem }
label { display: block; margin: .6rem 0 .2rem }
input, select, textarea { font: inherit; color: inherit; background: var(--box); width: 100%;
  border: 1px solid var(--dim); border-radius: 6px; padding: .4rem .6rem }
textarea { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; resize: vertical }
input::placeholder { color: var(--dim); opacity: 1 }
select { width: auto; display: block }
fieldset { border: 0; padding: 0; margin: .8rem 0 }
legend { padding: 0 }
.choice { display: grid; grid-template-columns: auto 1fr; gap: .5rem; align-items: baseline }
.choice input { width: auto }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem }
.row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .7rem 0 .3rem }
.first { background: var(--link); color: var(--paper) }
.first:hover { background: var(--ink); border-color: var(--ink) }
button:disabled, button[aria-disabled] { opacity: .55; cursor: default }
.said:empty { margin: 0 }
.failed { color: var(--bad) }
.notice { border-left: 4px solid var(--link); background: var(--box); padding: .6rem .8rem;
  border-radius: 0 6px 6px 0 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
caption { text-align: left; color: var(--dim) }
th, td { text-align: left; font-weight: normal; padding: .25rem .5rem .25rem 0;
  border-bottom: 1px solid var(--line) }
.lines textarea { padding-right: 4.5rem }
.steps { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem }
@media (max-width: 34rem) { .steps { grid-template-columns: 1fr } }
@media (max-width: 34rem) { .fields { grid-template-columns: 1fr } }`;
