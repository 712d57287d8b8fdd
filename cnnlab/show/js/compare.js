// Networks that were pinned, beside the present one, and what makes the difference. Pins are a trait: a list of
// {id, label, key, rows, sum}, so that they outlive the page's nodes and Python can read them.

import { editWords, goTo, networkText, values } from "./actions.js";
import { COUNTS, KINDS, exactly } from "./costs.js";
import { button, choice, h, hide, say, section, times } from "./dom.js";
import { buildWaterfall, drawWaterfall, layoutWaterfall, pointWaterfall } from "./waterfall.js";

const MOST_PINS = 6;
const PINNED = ["name", "smaller", "blocks", "channels", "size", ...COUNTS];
const WEIGHT_BYTES = 4;
const letterOf = (i) => String.fromCharCode(65 + i); // as on the plot

// The figures that stand in the table, from the top.
const FIGURES = [
  ["family", "family"], ["knobs", "depth × width × px"], ["edits", "edited rows"], ["blocks", "blocks"],
  ["macs", "multiply-adds"], ["params", "parameters"], ["weights", "weights"], ["activations", "activations"],
  ...Object.entries(KINDS).filter(([kind]) => !COUNTS.includes(kind)).map(([kind, { label }]) => [kind, label]),
  ["accuracy", "accuracy"],
];

function present(view) {
  return { id: networkText(view), label: "now", key: view.lattice.key, rows: view.rows, sum: view.sum };
}

// Keep the present network.
export function pin(view) {
  const pins = view.model.get("pins");
  const { id, key, rows: stages, sum } = present(view);
  const place = pins.findIndex((each) => each.id === id);
  if (place >= 0) return tellPins(view, `This network is pinned already, as ${letterOf(place)}.`);
  if (pins.length >= MOST_PINS) return tellPins(view, `${MOST_PINS} networks are pinned; unpin one first.`);
  const kept = stages.map((row) => Object.fromEntries(PINNED.map((field) => [field, row[field]])));
  const known = Object.fromEntries(Object.entries(sum).filter(([, cost]) => Number.isFinite(cost)));
  setPins(view, [...pins, { id, label: networkLabel(view), key, rows: kept, sum: known }]);
  return tellPins(view, `Pinned as ${letterOf(pins.length)}.`);
}

function networkLabel(view) {
  const [d, w, r] = values(view);
  return [view.lattice.key, `d=${d}`, `w=${w}`, `${r} px`, ...editWords(view)].join(" ");
}

function setPins(view, pins) {
  view.model.set("pins", pins);
  view.model.save_changes();
  view.layout();
}

function tellPins(view, text) {
  const n = view.nodes.comparison;
  if (n) say(n.status, text);
}

function buildComparison(view) {
  if (!view.shows("compare")) return;
  const part = section(view.nodes.homes.below, "compare", "Compare", false);
  const n = (view.nodes.comparison = { ...part, columns: [], count: 0 });
  const bar = h(part.body, "div", { class: "cnnlab-bar" });
  n.pin = button(bar, "pin-this", "Pin this network", () => pin(view));
  n.status = h(bar, "small", { role: "status", "data-readout": "pins" });
  n.empty = h(part.body, "p", {}, "Pin a network and move on: its figures stay here, beside those of the sliders.");
  n.full = h(part.body, "div");
  n.table = h(h(n.full, "div", { class: "cnnlab-scroll" }), "table", { class: "cnnlab-compare-table" });
  const fall = h(n.full, "div", { class: "cnnlab-bar cnnlab-fall-head" });
  h(fall, "strong", {}, "What makes the difference");
  n.from = choice(fall, "waterfall-from", [], "from");
  h(fall, "span", {}, "to now");
  n.from.addEventListener("change", () => view.layout());
  buildWaterfall(view, n.full);
  part.box.addEventListener("toggle", () => view.layout());
}

// One column for each pinned network, and one for the present one.
function pinColumns(view, pins) {
  const n = view.nodes.comparison;
  n.table.replaceChildren();
  n.table.classList.toggle("many", pins.length > 3);
  const heads = h(h(n.table, "thead"), "tr");
  h(heads, "th", { scope: "col" }, "network");
  pins.forEach((each, i) => pinHead(view, heads, each, i));
  h(h(heads, "th", { scope: "col", class: "now" }), "strong", {}, "now");
  const tbody = h(n.table, "tbody");
  n.lines = FIGURES.map(([key, title]) => {
    const tr = h(tbody, "tr", { "data-figure": key });
    h(tr, "th", { scope: "row" }, title);
    const cells = [...pins, null].map((each) => {
      const td = h(tr, "td", { class: each ? "number" : "now number" });
      return { figure: h(td, "span"), ratio: h(td, "small") };
    });
    return { key, tr, cells };
  });
}

function pinHead(view, heads, { id, label }, i) {
  const th = h(heads, "th", { scope: "col", title: id });
  h(th, "strong", {}, letterOf(i));
  h(th, "span", {}, label);
  const buttons = h(th, "span", { class: "cnnlab-pin-buttons" });
  const back = button(buttons, "goto-pin", "go back", () => goTo(view, id));
  back.setAttribute("aria-label", `go back to ${letterOf(i)}, ${label}`);
  const away = button(buttons, "unpin", "unpin", () => {
    setPins(view, view.model.get("pins").filter((each) => each.id !== id));
    tellPins(view, `${label} is no longer pinned.`);
    view.nodes.comparison.pin.focus(); // this button goes
  });
  away.setAttribute("aria-label", `unpin ${letterOf(i)}, ${label}`);
}

function layoutComparison(view) {
  const n = view.nodes.comparison;
  if (!n) return;
  const pins = view.model.get("pins");
  if (pins.length > n.count) n.box.open = true;
  n.count = pins.length;
  hide(n.empty, pins.length > 0);
  hide(n.full, pins.length === 0);
  if (n.pins !== pins) {
    n.pins = pins;
    pinColumns(view, pins);
    const chosen = n.from.value;
    n.from.replaceChildren();
    pins.forEach(({ id, label }, i) => h(n.from, "option", { value: id }, `${letterOf(i)}: ${label}`));
    if (pins.some(({ id }) => id === chosen)) n.from.value = chosen;
  }
  layoutWaterfall(view);
}

function familyName(view, { id, key }) {
  const known = (view.model.get("_families") || []).find(([each]) => each === key);
  const label = known ? known[1] : id.split(",")[0] === view.lattice.key ? view.lattice.label : key;
  return label.replace(/ \(.*\)$/, "");
}

// Of one network: figure -> [text, number to compare by].
function figuresOf(view, network) {
  const parts = network.id.split(",").slice(1);
  const knob = (letter) => (parts.find((part) => part.startsWith(`${letter}=`)) || "").slice(2);
  const measured = view.model.get("_latencies")[network.id];
  const sum = measured ? { ...network.sum, latency: measured.median ?? undefined } : network.sum;
  const stages = network.rows.filter(({ smaller }) => smaller !== "stem" && smaller !== "head");
  const blocks = stages.reduce((count, row) => count + row.blocks, 0);
  const figures = {
    family: [familyName(view, network)],
    knobs: [`${knob("d")} × ${knob("w")} × ${knob("r")}`],
    edits: [parts.filter((part) => /^\d/.test(part)).join(" ")],
    blocks: [`${blocks}`, blocks],
    weights: [`${((sum.params * WEIGHT_BYTES) / 1e6).toFixed(1)} MB`, sum.params],
    accuracy: [view.accuracyOf(sum, network.id)],
  };
  const known = Object.keys(KINDS).filter((kind) => Number.isFinite(sum[kind]));
  for (const kind of known) figures[kind] = [exactly(kind, sum[kind]), sum[kind]];
  return figures;
}

function updateComparison(view) {
  const n = view.nodes.comparison;
  if (!n) return;
  const { pins } = n;
  say(n.hint, pins.length ? `${pins.length} pinned` : "nothing pinned");
  if (!n.box.open || !pins.length) return;
  const now = present(view);
  const known = pins.map((each) => (each.id === now.id ? { ...each, sum: { ...each.sum, ...now.sum } } : each));
  const columns = [...known, now].map((network) => figuresOf(view, network));
  for (const { key, tr, cells } of n.lines) {
    hide(tr, !columns.some((figures) => figures[key] && figures[key][0]));
    cells.forEach(({ figure, ratio }, i) => {
      const [text, number] = columns[i][key] || [];
      const [, first] = columns[0][key] || [];
      say(figure, text || "–");
      say(ratio, i && number && first ? times(number / first) : "");
    });
  }
  const chosen = Math.max(0, pins.findIndex(({ id }) => id === n.from.value));
  const kind = COUNTS.includes(view.against) ? view.against : COUNTS[0];
  const from = { label: letterOf(chosen), rows: pins[chosen].rows };
  say(view.nodes.waterfall.title, `${pins[chosen].label} to now: ${KINDS[kind].title}`);
  drawWaterfall(view, from, now, [kind, KINDS[kind].label]);
}

function pointComparison(view) {
  const n = view.nodes.comparison;
  if (n && n.box.open && n.count) pointWaterfall(view);
}

function hearComparison(view, message) {
  if (message.unavailable === "go") tellPins(view, "This network needs Python, which this saved page has not.");
}

export const compare = {
  build: buildComparison,
  layout: layoutComparison,
  update: updateComparison,
  point: pointComparison,
  heard: hearComparison,
};
