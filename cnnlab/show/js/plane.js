// Depth against width at the present resolution: lines of equal multiply-adds through the plane, the compound path, and
// what is predicted. A click goes there; the sliders are the keyboard's way.

import { PHIS, compound, move, remember, values } from "./actions.js";
import { linearTicks, scale } from "./axes.js";
import { bandAt } from "./bands.js";
import { rowsAt, same } from "./costs.js";
import { h, s, say, set, short, zoomOf } from "./dom.js";

const PLANE = { height: 236, left: 34, right: 8, top: 8, bottom: 36 };
const SHARES = [[0.5, "× ½"], [1, "same"], [2, "× 2"]];

function build(view) {
  if (!view.shows("plane")) return;
  const n = view.nodes;
  const title = h(n.homes.map, "h4", {}, "Equal cost ");
  h(title, "small", {}, "as many multiply-adds, half, twice; dashed: compound φ");
  n.plane = s(n.homes.map, "svg", { class: "cnnlab-svg", height: PLANE.height, "data-view": "plane", role: "img" });
  n.planeNodes = {};
  for (const [name, tag, attributes] of [
    ["cells", "g", { class: "cells" }], ["grid", "g", { class: "grid" }], ["path", "path", { class: "compound" }],
    ["lines", "g", { class: "iso" }], ["here", "circle", { class: "dot", r: 5 }], ["note", "text", { class: "small" }],
  ]) n.planeNodes[name] = s(n.plane, tag, attributes);
  n.isoLines = SHARES.map(() => [s(n.planeNodes.lines, "path"), s(n.planeNodes.lines, "text", { class: "small" })]);
  n.plane.addEventListener("click", (event) => clicked(view, event));
}

function layout(view) {
  const n = view.nodes;
  if (!n.plane) return;
  const { depth, width } = view.lattice;
  const right = Math.max(180, n.plane.clientWidth) - PLANE.right;
  const bottom = PLANE.height - PLANE.bottom;
  view.planeX = scale([width[0], width[width.length - 1]], [PLANE.left, right], false);
  view.planeY = scale([depth[0], depth[depth.length - 1]], [bottom, PLANE.top], false);
  view.planeRight = right;
  view.planeKey = "";
  const { grid } = n.planeNodes;
  grid.replaceChildren();
  for (const d of linearTicks(depth[0], depth[depth.length - 1], 240)) {
    s(grid, "line", { x1: PLANE.left, x2: right, y1: view.planeY(d), y2: view.planeY(d) });
    s(grid, "text", { x: PLANE.left - 5, y: view.planeY(d) + 4, "text-anchor": "end", class: "small" }, `${d}`);
  }
  for (const w of linearTicks(width[0], width[width.length - 1], 240)) {
    s(grid, "line", { x1: view.planeX(w), x2: view.planeX(w), y1: PLANE.top, y2: bottom });
    s(grid, "text", { x: view.planeX(w), y: bottom + 14, "text-anchor": "middle", class: "small" }, `${w}`);
  }
  s(grid, "text", { x: (PLANE.left + right) / 2, y: PLANE.height - 5, "text-anchor": "middle", class: "small" }, "width ×");
  s(grid, "text", { x: 9, y: bottom / 2, class: "small", "text-anchor": "middle", transform: `rotate(-90 9 ${bottom / 2})` }, "depth ×");
  layoutPath(view);
}

function layoutPath(view) {
  const { depth, width } = view.lattice;
  const places = PHIS.map((phi) => compound(view, phi)).map(([d, w]) => [view.planeX(width[w]), view.planeY(depth[d])]);
  set(view.nodes.planeNodes.path, "d", places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""));
}

// Multiply-adds at every depth and width, at one resolution; kept with the lattice that they are of.
function macsOfAll({ lattice, at }) {
  const grids = (lattice.macsGrids ||= new Map());
  if (!grids.has(at[2])) grids.set(at[2], gridAt(lattice, at));
  return grids.get(at[2]);
}

// A stage's blocks cost the same at every depth.
function gridAt(lattice, at) {
  const one = lattice.width.map((_, w) => rowsAt(lattice, [0, w, at[2]]));
  const { numbers, stages } = lattice;
  const second = lattice.width.map((_, w) =>
    stages.map(({ blocks: [, block] }) => (block ? block.macs.reduce((sum, [a, b]) => sum + numbers[a + w] * numbers[b + at[2]], 0) : 0)));
  return lattice.depth.map((_, d) =>
    lattice.width.map((__, w) =>
      one[w].reduce((sum, row, i) => sum + row.macs + (numbers[stages[i].depths + d] - row.blocks) * second[w][i], 0)));
}

function update(view) {
  const n = view.nodes;
  if (!n.plane) return;
  const key = `${view.lattice.id} ${view.at[2]}`;
  if (view.planeKey !== key) {
    view.macsGrid = macsOfAll(view);
    view.planeKey = key;
    drawCells(view);
  }
  const [d, w] = values(view);
  set(n.planeNodes.here, "cx", view.planeX(w).toFixed(1));
  set(n.planeNodes.here, "cy", view.planeY(d).toFixed(1));
  if (view.isoKey !== `${key} ${view.sum.macs} ${view.planeRight}`) drawLines(view);
  view.isoKey = `${key} ${view.sum.macs} ${view.planeRight}`;
  set(n.plane, "aria-label", `depth ${d} against width ${w}: lines of ${SHARES.map(([share]) => short(share * view.sum.macs)).join(", ")} multiply-adds`);
}

// For each depth the largest width that costs no more: a staircase, as widths and depths are whole numbers.
function drawLines(view) {
  const { lattice, macsGrid, nodes: n } = view;
  const taken = [];
  SHARES.forEach(([share, word], i) => {
    const most = share * view.sum.macs;
    const places = [];
    macsGrid.forEach((row, d) => {
      let w = row.length - 1;
      while (w >= 0 && row[w] > most) w--;
      if (w >= 0 && w < row.length - 1) places.push([view.planeX(lattice.width[w]), view.planeY(lattice.depth[d])]);
    });
    const [line, text] = n.isoLines[i];
    set(line, "d", places.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""));
    set(line, "class", share === 1 ? "same" : "");
    say(text, places.length > 2 ? word : "");
    if (places.length < 3) return;
    const [x, y] = [Math.min(places[0][0] + 4, view.planeRight - 30), places[0][1] - 1];
    // Above another that is in the way.
    const height = taken.filter((other) => Math.abs(other - x) < 36).length;
    taken.push(x);
    set(text, "x", x.toFixed(1));
    set(text, "y", (y - 12 * height).toFixed(1));
  });
}

// Where the accuracy is predicted: a cell for each depth and width, the darker the better.
function drawCells(view) {
  const { cells, note } = view.nodes.planeNodes;
  cells.replaceChildren();
  const { depth, width } = view.lattice;
  const found = [];
  depth.forEach((_, d) => width.forEach((__, w) => {
    const band = bandAt(view, [d, w, view.at[2]]);
    if (band) found.push([d, w, band.median]);
  }));
  say(note, "");
  if (!found.length) return;
  const all = found.map(([, , median]) => median);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const [dx, dy] = [view.planeX(width[1]) - view.planeX(width[0]), view.planeY(depth[0]) - view.planeY(depth[1])];
  const levels = [0, 1, 2, 3, 4].map(() => "");
  for (const [d, w, median] of found) {
    const level = Math.min(4, Math.floor((5 * (median - least)) / (most - least || 1)));
    const [x, y] = [view.planeX(width[w]) - dx / 2, view.planeY(depth[d]) - dy / 2];
    levels[level] += `M${x.toFixed(1)} ${y.toFixed(1)}h${dx.toFixed(1)}v${dy.toFixed(1)}h${(-dx).toFixed(1)}z`;
  }
  levels.forEach((path, i) => path && s(cells, "path", { d: path, "fill-opacity": 0.08 + 0.1 * i }));
  set(note, "x", PLANE.left + 4);
  set(note, "y", PLANE.top + 10);
  say(note, `shaded: predicted, ${least.toFixed(0)} to ${most.toFixed(0)} %`);
}

function clicked(view, event) {
  const box = view.nodes.plane.getBoundingClientRect();
  const near = (steps, place, x) => steps.reduce((best, value, i) => (Math.abs(place(value) - x) < Math.abs(place(steps[best]) - x) ? i : best), 0);
  const zoom = zoomOf(view.nodes.plane);
  const d = near(view.lattice.depth, view.planeY, (event.clientY - box.top) / zoom);
  const w = near(view.lattice.width, view.planeX, (event.clientX - box.left) / zoom);
  if (same([d, w], view.at.slice(0, 2))) return;
  remember(view);
  move(view, 0, d);
  move(view, 1, w);
}

export const plane = { build, layout, update };
