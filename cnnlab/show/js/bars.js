// Where the cost is: bars by stage or by role, multiply-adds and parameters.

import { rolesAt } from "./costs.js";
import { OWN_KEYS, choice, h, roving, s, say, set, short, whole } from "./dom.js";
import { seen, tipStages } from "./tips.js";

const BARS = { top: 20, row: 36, name: 62, value: 66 };
const ROLE_NAME = 96;
const ROLE_KEYS = 40;
const KEYS = [["macs", "multiply-adds"], ["params", "parameters"]];

function build(view) {
  const n = view.nodes;
  const home = n.homes.bars;
  const head = h(home, "div", { class: "cnnlab-bars-head" });
  h(head, "h4", {}, "Where the cost is");
  n.by = choice(head, "by", [["stage", "by stage"], ["role", "by role"]], "");
  n.by.setAttribute("aria-label", "cost by");
  n.by.addEventListener("change", () => view.rebuild());
  n.bars = s(home, "svg", { class: "cnnlab-svg", "data-view": "bars" });
  tipStages(view, n.bars);
  n.detail = h(home, "p", { class: "cnnlab-detail", "data-readout": "stage" });
}

const byStage = (view) => view.nodes.by.value === "stage";
const told = (view) => (byStage(view) ? view.rows : rolesAt(view.layers));

function rebuild(view) {
  const n = view.nodes;
  n.bars.replaceChildren();
  n.barKeys = KEYS.map(([kind, text]) => {
    const key = s(n.bars, "g");
    s(key, "rect", { class: kind, width: 8, height: 8, y: -8 });
    s(key, "text", { x: 12, class: "small" }, text);
    return key;
  });
  n.rows = [];
  if (byStage(view)) for (const { name } of view.lattice.stages) n.rows.push(buildRow(view, name));
  size(view);
}

function buildRow(view, name) {
  const at = view.nodes.rows.length;
  const y = BARS.top + at * BARS.row;
  const group = s(view.nodes.bars, "g", { class: "row", role: "img", ...OWN_KEYS });
  if (byStage(view)) set(group, "data-stage", name);
  const back = s(group, "rect", { class: "back", x: 0, y: y + 1, height: BARS.row - 2, rx: 3 });
  const label = s(group, "text", { x: 4, y: y + BARS.row / 2 + 4 }, name);
  const left = byStage(view) ? BARS.name : ROLE_NAME;
  const bar = (kind, dy) => [
    s(group, "rect", { class: kind, x: left, y: y + dy, height: 11 }),
    s(group, "text", { class: "small", y: y + dy + 9.5 }),
  ];
  return { group, back, label, left, macs: bar("macs", 6), params: bar("params", 19) };
}

function size(view) {
  const n = view.nodes;
  set(n.bars, "height", BARS.top + BARS.row * n.rows.length + 2);
  roving(n.rows.map((row) => row.group));
  layout(view);
}

function layout(view) {
  const n = view.nodes;
  const width = Math.max(200, n.bars.clientWidth);
  const left = byStage(view) ? BARS.name : ROLE_NAME;
  view.barLength = width - left - BARS.value;
  const keys = byStage(view) ? left : ROLE_KEYS;
  n.barKeys.forEach((key, i) => set(key, "transform", `translate(${keys + 92 * i} 12)`));
  for (const row of n.rows) set(row.back, "width", width);
}

function update(view) {
  const { nodes: n, sum } = view;
  const rows = told(view);
  while (n.rows.length < rows.length) n.rows.push(buildRow(view, rows[n.rows.length].name));
  if (n.rows.length > rows.length) for (const row of n.rows.splice(rows.length)) row.group.remove();
  if (!byStage(view)) size(view);
  let most = 0;
  for (const row of rows) most = Math.max(most, row.macs / sum.macs, row.params / sum.params);
  rows.forEach((row, i) => {
    const nodes = n.rows[i];
    say(nodes.label, row.name);
    for (const [kind] of KEYS) {
      const [bar, text] = nodes[kind];
      const length = (row[kind] / sum[kind] / most) * view.barLength;
      set(bar, "width", Math.max(length, 0.5).toFixed(1));
      set(text, "x", (nodes.left + length + 4).toFixed(1));
      say(text, short(row[kind]));
    }
    set(nodes.group, "aria-label", sentence(row, sum));
  });
  point(view);
}

export function sentence(row, sum) {
  const share = (kind) => `${((100 * row[kind]) / sum[kind]).toFixed(1)} %`;
  const shape = row.blocks ? `; ${whole(row.blocks)} × ${whole(row.channels)} wide, ${row.size} px` : "";
  return (
    `${row.name}: ${whole(row.macs)} multiply-adds (${share("macs")}), ${whole(row.params)} parameters ` +
    `(${share("params")}), ${whole(row.activations)} activations (${share("activations")})${shape}`
  );
}

function point(view) {
  const { nodes, rows, sum, stage } = view;
  const row = rows.find((each) => each.name === stage);
  say(nodes.detail, row ? `${sentence(row, sum)}; ${seen(view, row)}` : "Point at a stage or focus it: its exact figures, here.");
}

export const bars = { build, rebuild, layout, update, point };
