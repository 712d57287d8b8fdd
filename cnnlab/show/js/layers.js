// Every layer, as a table of which only the lines in sight are written.

import { COUNTS } from "./costs.js";
import { OWN_KEYS, h, hide, say, section, set, whole } from "./dom.js";

const LINE = 22; // px, as in parts.css
const POOL = 20;
const AHEAD = 4;
const TITLES = ["layer", "what it does", "times", "channels", "px", "multiply-adds", "parameters", "activations"];

function buildLayerTable(view) {
  if (!view.shows("layers")) return;
  const part = section(view.nodes.homes.below, "layers", "Every layer", false);
  const n = (view.nodes.layerTable = { ...part, words: [], found: [], scrolled: 0 });
  const bar = h(part.body, "div", { class: "cnnlab-bar" });
  const label = h(bar, "label", {}, "only ");
  const filter = h(label, "input", {
    ...OWN_KEYS, type: "search", placeholder: "depthwise, stage5 …", "data-control": "layer-filter",
    "aria-label": "only layers with these words",
  });
  h(bar, "small", {}, "Blocks that repeat stand here once; the figures are of all of them together.");
  n.scroll = h(part.body, "div", {
    ...OWN_KEYS, class: "cnnlab-lines", tabindex: 0, role: "region", "aria-label": "every layer; arrow keys scroll",
  });
  n.table = h(n.scroll, "table");
  const groups = h(n.table, "colgroup");
  const heads = h(h(n.table, "thead"), "tr");
  TITLES.forEach((title, i) => {
    h(groups, "col", { class: title.replaceAll(" ", "-") });
    h(heads, "th", { scope: "col", ...(i > 1 && { class: "number" }) }, title);
  });
  layerLines(n);
  filter.addEventListener("input", () => {
    n.words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    n.scroll.scrollTop = 0;
    view.schedule();
  });
  n.scroll.addEventListener("scroll", () => {
    n.scrolled = n.scroll.scrollTop;
    drawLayers(view);
  });
  part.box.addEventListener("toggle", () => view.schedule());
}

// The lines in sight, between two that are as high as all the others.
function layerLines(n) {
  const tbody = h(n.table, "tbody");
  const spacer = () => h(h(tbody, "tr", { "aria-hidden": "true", class: "spacer" }), "td", { colspan: TITLES.length });
  n.before = spacer();
  n.lines = Array.from({ length: POOL }, () => {
    const tr = h(tbody, "tr");
    const cells = TITLES.map((_, i) => h(tr, i ? "td" : "th", i ? i > 1 && { class: "number" } : { scope: "row" }));
    return { tr, cells, operation: h(cells[1], "span"), role: h(cells[1], "small") };
  });
  n.after = spacer();
}

export function layersWith(layersOfNow, words) {
  if (!words.length) return layersOfNow;
  return layersOfNow.filter(({ name, operation, role }) => {
    const text = `${name} ${operation} ${role}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function updateLayerTable(view) {
  const n = view.nodes.layerTable;
  if (!n) return;
  n.found = layersWith(view.layers, n.words);
  say(n.hint, layerTotals(view.layers, n.found));
  if (n.box.open) drawLayers(view);
}

function layerTotals(all, found) {
  const sum = (some, what) => some.reduce((total, layer) => total + layer[what], 0);
  const count = whole(sum(found, "count"));
  const many = found === all ? count : `${count} of ${whole(sum(all, "count"))}`;
  const [macs, params, activations] = COUNTS.map((kind) => whole(sum(found, kind)));
  return `${many} layers: ${macs} multiply-adds, ${params} parameters, ${activations} activations`;
}

function drawLayers(view) {
  const n = view.nodes.layerTable;
  const { found } = n;
  const first = Math.max(0, Math.min(Math.floor(n.scrolled / LINE) - AHEAD, found.length - POOL));
  const left = Math.max(0, found.length - first - POOL);
  set(n.before, "style", `height:${first * LINE}px`);
  set(n.after, "style", `height:${left * LINE}px`);
  set(n.table, "aria-rowcount", found.length + 1);
  n.lines.forEach((line, i) => {
    const layer = found[first + i];
    hide(line.tr, !layer);
    if (layer) drawLayer(view, line, layer, first + i);
  });
}

function drawLayer(view, { tr, cells, operation, role }, layer, at) {
  set(tr, "data-stage", layer.stage);
  set(tr, "aria-rowindex", at + 2);
  tr.classList.toggle("on", layer.stage === view.stage);
  tr.classList.toggle("odd", at % 2 === 1);
  say(cells[0], layer.name);
  say(operation, layer.operation);
  say(role, layer.operation.startsWith(layer.role) ? "" : ` ${layer.role}`);
  const numbers = [layer.count, layer.channels, layer.size, ...COUNTS.map((kind) => layer[kind])].map(whole);
  if (!layer.size) numbers[2] = "–"; // no image any more
  numbers.forEach((number, i) => say(cells[i + 2], number));
}

export const layers = { build: buildLayerTable, update: updateLayerTable };
