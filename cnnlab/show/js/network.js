// The network to scale, as in figure 2 of the EfficientNet paper: a slab a block, as high as its feature map (square
// root) and as thick as it is wide.

import { values } from "./actions.js";
import { h, s, say, set, whole } from "./dom.js";
import { tipStages } from "./tips.js";

const NET = { height: 262, middle: 98, tallest: 184, labels: 210, column: 60, letter: 6, gap: 3, widest: 64 };

const NOTES = [
  "height grows with the feature map (square root), thickness with width, one slab a block",
  "height: the feature map's px (square root); thickness: its channels; one slab a block",
];

function build(view) {
  const n = view.nodes;
  const title = h(n.homes.net, "h4", {}, "The network, to scale ");
  n.netNote = h(title, "small", {}, NOTES[0]);
  n.net = s(n.homes.net, "svg", { class: "cnnlab-svg", height: NET.height, "data-view": "network", role: "img" });
  tipStages(view, n.net);
}

function rebuild(view) {
  const n = view.nodes;
  n.net.replaceChildren();
  n.columns = ["image", ...view.lattice.stages.map((stage) => stage.name)].map((name) => buildColumn(view, name));
}

function buildColumn(view, name) {
  const role = name === "image" ? "image" : name.startsWith("stage") ? "stage" : "end";
  const group = s(view.nodes.net, "g", { class: `column ${role}` });
  if (name !== "image") set(group, "data-stage", name);
  const back = s(group, "rect", { class: "back", y: 2, height: NET.height - 4, rx: 3 });
  const slab = s(group, "path", { class: "slab" });
  const texts = [0, 1, 2, 3].map((i) =>
    s(group, "text", { class: i ? "small" : "", "text-anchor": "middle", y: NET.labels + 14 * i }));
  return { group, back, slab, texts };
}

function layout(view) {
  view.netWidth = Math.max(320, view.nodes.net.clientWidth);
}

function update(view) {
  const { nodes: n, lattice, rows } = view;
  const r = values(view)[2];
  const tall = (size) => Math.sqrt(size / lattice.resolution[lattice.resolution.length - 1]) * NET.tallest;
  const image = { name: "image", size: r, blocks: 1, channels: 0 };
  const columns = [image, ...rows].map((row) => ({ ...row, scaled: (row.channels * NET.widest) / lattice.widest }));
  const least = leastWidths(columns, lattice, view.netWidth);
  const fit = thickness(columns, least, view.netWidth);
  const widths = columns.map((row, i) => Math.max(least[i], breadth(row, fit)));
  const narrow = least[0] < NET.column;
  const squeeze = Math.min(1, view.netWidth / widths.reduce((a, b) => a + b, 0)); // very many blocks
  widths.forEach((width, i) => { widths[i] = width * squeeze; });
  say(n.netNote, narrow ? NOTES[1] : NOTES[0]);
  const air = Math.max(0, view.netWidth - widths.reduce((a, b) => a + b, 0)) / columns.length;
  let x = 0;
  columns.forEach((row, i) => {
    const nodes = n.columns[i];
    set(nodes.group, "transform", `translate(${(x + (widths[i] + air) / 2).toFixed(1)} 0)`);
    set(nodes.back, "x", (-(widths[i] + air) / 2).toFixed(1));
    set(nodes.back, "width", (widths[i] + air).toFixed(1));
    set(nodes.slab, "d", slabPath(row, fit, tall(row.size), squeeze));
    columnTexts(row, lattice, narrow).forEach((text, k) => say(nodes.texts[k], text));
    x += widths[i] + air;
  });
  const told = rows.map((row) => `${row.name} ${row.blocks} × ${row.channels} wide at ${row.size} px`).join(", ");
  set(n.net, "aria-label", `the network to scale: ${r} px image, ${told}`);
}

// As wide as its texts, where there is room for that; else all alike.
function leastWidths(columns, lattice, width) {
  const wish = columns.map((row) => {
    const longest = Math.max(...columnTexts(row, lattice, false).map((text) => text.length));
    return Math.max(NET.column, longest * NET.letter + 4);
  });
  const fits = wish.reduce((a, b) => a + b, 0) <= width;
  return fits ? wish : columns.map(() => Math.min(NET.column - 1, width / columns.length));
}

function columnTexts(row, lattice, narrow) {
  if (row.name === "image") return [narrow ? `${row.size}` : `${row.size} px`, "image", "", ""];
  const classes = row.size === 1 && row.channels === lattice.classes;
  const second = `${whole(row.channels)} ${classes ? "classes" : narrow ? "" : "wide"}`.trim();
  const third = row.name.startsWith("stage") ? `× ${row.blocks}` : "";
  return [narrow ? `${row.size}` : `${row.size} px`, second, third || row.name, third ? row.name : ""];
}

const thick = (row, fit) => (row.name === "image" ? 4 : Math.max(1.5, row.scaled * fit));
const gap = (fit) => Math.max(0.8, NET.gap * Math.sqrt(fit));
const breadth = (row, fit) => row.blocks * (thick(row, fit) + gap(fit)) + 6;

// The largest scale of thickness, at most 1, at which all columns fit side by side.
function thickness(columns, least, width) {
  const fits = (k) => columns.reduce((sum, row, i) => sum + Math.max(least[i], breadth(row, k)), 0) <= width + 0.01;
  if (fits(1)) return 1;
  let [low, high] = [0, 1];
  for (let i = 0; i < 14; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function slabPath(row, fit, tall, squeeze) {
  const wide = thick(row, fit) * squeeze;
  const step = wide + gap(fit) * squeeze;
  const start = -(row.blocks * step - gap(fit) * squeeze) / 2;
  const top = (NET.middle - tall / 2).toFixed(1);
  let path = "";
  for (let i = 0; i < row.blocks; i++)
    path += `M${(start + i * step).toFixed(1)} ${top}h${wide.toFixed(1)}v${tall.toFixed(1)}h${(-wide).toFixed(1)}z`;
  return path;
}

export const network = { build, rebuild, layout, update };
