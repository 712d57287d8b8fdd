// The tooltip: exact figures of a point, beside it.

import { COUNTS, KINDS, exactly } from "./costs.js";
import { h, zoomOf } from "./dom.js";
import { costOf } from "./points.js";

export function tip(view, mark, lines = []) {
  const { root } = view.nodes;
  const box = view.nodes.tip || (view.nodes.tip = h(root, "div", { class: "cnnlab-tip", role: "tooltip" }));
  box.classList.toggle("on", Boolean(mark));
  if (!mark) return;
  box.replaceChildren();
  lines.forEach((line, i) => h(box, i ? "div" : "strong", {}, line));
  const at = mark.getBoundingClientRect();
  const home = root.getBoundingClientRect();
  const zoom = zoomOf(root);
  const left = Math.min((at.right - home.left) / zoom + 8, home.width / zoom - box.offsetWidth - 8);
  box.style.left = `${Math.max(4, left)}px`;
  box.style.top = `${Math.max(4, (at.top - home.top) / zoom - box.offsetHeight - 8)}px`;
}

// A stage's exact figures.
export function stageTip(view, target) {
  const mark = target && target.closest("[data-stage]");
  const row = mark && view.rows.find((each) => each.name === mark.getAttribute("data-stage"));
  if (!row) return tip(view, null);
  const share = (kind) => `${((100 * row[kind]) / view.sum[kind]).toFixed(1)} %`;
  const counts = COUNTS.map((kind) => `${exactly(kind, row[kind])} ${KINDS[kind].label} (${share(kind)})`);
  return tip(view, mark, [row.name, ...counts, `${row.blocks} × ${exactly("macs", row.channels)} wide, ${row.size} px`, seen(view, row)]);
}

// The receptive field in words.
export function seen({ lattice, at }, row) {
  const whole = row.field >= lattice.resolution[at[2]];
  return `each pixel sees ${whole ? "the whole image" : `${exactly("macs", row.field)} px`}`;
}

// Show a stage's tip wherever in this node a stage is pointed at or focused.
export function tipStages(view, node) {
  for (const event of ["pointerover", "focusin"]) node.addEventListener(event, (e) => stageTip(view, e.target));
  for (const event of ["pointerout", "focusout"]) node.addEventListener(event, () => tip(view, null));
}

export function pointTip(view, target) {
  const mark = target.closest("[data-point]");
  if (!mark) return;
  const point = view.drawn.points[Number(mark.getAttribute("data-point"))]; // the marks may be older than the evidence
  const interval = point.low === null ? "" : `, 95 % interval ${point.low.toFixed(1)} to ${point.high.toFixed(1)} %`;
  const costs = Object.keys(KINDS)
    .map((kind) => [kind, costOf(view, point, kind)])
    .filter(([, cost]) => cost !== null)
    .map(([kind, cost]) => `${exactly(kind, cost)} ${KINDS[kind].label}`);
  const accuracy = `${Number(point.accuracy.toFixed(3))} % (${point.kind})${interval}`;
  tip(view, mark, [point.name, accuracy, ...costs, point.group, point.note].filter(Boolean));
}
