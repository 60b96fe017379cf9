// Hues of Okabe and Ito's palette, which colour-blind people can tell apart; shape and word tell the
// same as each colour does.
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1b1f24; --muted: #57606a; --grid: #dde2e7;
  --launching: #fff6d6; --launching-stripe: #ffe08a; --launching-edge: #b97f00;
  --service: #dff0ea; --service-edge: #5fa58d;
  --leaving: #fae8f2; --leaving-stripe: #efc3da; --leaving-edge: #a85784;
  --other: #e9ecef; --other-edge: #8b949e;
  --member: #0072b2; --hatch: #0072b2; --on-learner: #003f66;
  --crown: #f0c000; --rate: #009e73; --gap: #d55e00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --ink: #e6edf3; --muted: #9aa4af; --grid: #262d36;
    --launching: #2e2506; --launching-stripe: #57430a; --launching-edge: #e69f00;
    --service: #10312a; --service-edge: #2f8a70;
    --leaving: #341b2b; --leaving-stripe: #613350; --leaving-edge: #cc79a7;
    --other: #21262d; --other-edge: #8b949e;
    --member: #0072b2; --hatch: #56b4e9; --on-learner: #ffffff;
    --crown: #f5cc1b; --rate: #00a679; --gap: #ee7a2a;
  }
}
body {
  margin: 1.5rem auto; padding: 0 1.5rem; max-width: 84rem;
  background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif;
}
h1 { font-size: 1.5rem; margin: 0 0 0.8rem; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0.5rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: 0.15rem 1.2rem 0.15rem 0; overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--muted); }
.summary { display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 0 0 1rem; }
.summary div { border: 1px solid var(--grid); border-radius: 6px; padding: 0.4rem 0.9rem; }
dt { color: var(--muted); font-size: 0.87rem; }
dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.actions { font-size: 0.87rem; }
.actions tr { border-bottom: 1px solid var(--grid); break-inside: avoid; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.id { white-space: nowrap; font-family: ui-monospace, "Liberation Mono", monospace; font-size: 0.92em; }
.guide { max-width: 70rem; color: var(--muted); margin: 0.9rem 0; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.3rem; padding: 0; margin: 0 0 0.8rem; font-size: 0.87rem; }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.scroll { overflow-x: auto; }
.timeline { display: block; width: 100%; min-width: 56rem; height: auto; }
svg text { fill: var(--ink); font-size: 11.5px; }
svg .name { font-weight: 600; font-size: 13px; }
svg .address, svg .axis { fill: var(--muted); font-size: 11.5px; }
svg .note { fill: var(--muted); font-size: 13px; }
svg .muted { fill: var(--muted); }
svg .caption, svg .peak, svg .end .word { paint-order: stroke; stroke: var(--page); stroke-width: 3px; stroke-linejoin: round; }
svg .caption { font-size: 11px; }
svg .peak { font-weight: 600; }
.grid { stroke: var(--grid); }
.state { stroke-width: 1; }
.state.launching { fill: var(--launching); stroke: var(--launching-edge); }
.state.service { fill: var(--service); stroke: var(--service-edge); }
.state.leaving { fill: var(--leaving); stroke: var(--leaving-edge); }
.state.other { fill: var(--other); stroke: var(--other-edge); }
.state.waiting { stroke-dasharray: 4 2; }
.launching-stripe { fill: var(--launching-stripe); }
.leaving-stripe { fill: var(--leaving-stripe); }
.member { stroke: var(--member); fill: var(--member); }
.member.learner { fill: url(#learner-hatch); stroke: var(--hatch); }
.learner-hatch { fill: var(--hatch); }
svg .on-voter { fill: #ffffff; font-weight: 600; }
svg .on-learner { fill: var(--on-learner); font-weight: 600; paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; }
.cross { stroke: var(--muted); stroke-width: 2; fill: none; }
.leader { stroke: var(--ink); stroke-width: 3.5; }
.leader-move { stroke: var(--ink); stroke-width: 1.75; }
.leader-move.none { stroke-dasharray: 3 3; }
.crown { fill: var(--crown); stroke: var(--ink); stroke-width: 1; stroke-linejoin: round; }
svg .leads { font-weight: 600; }
.pole { stroke: var(--ink); stroke-width: 1; }
.rate { fill: var(--rate); }
.gap { fill: var(--gap); }
.failed { fill: var(--ink); }
@page { size: A4 portrait; margin: 10mm; }
@media print {
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .timeline { min-width: 0; max-height: 190mm; break-inside: avoid; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
}
`;
