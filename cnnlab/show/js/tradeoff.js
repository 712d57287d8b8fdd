// Accuracy against cost: the points with their intervals, the Pareto front, budgets, the compound path and "you are here".

import { PHIS, compound, networkText } from "./actions.js";
import { accuracyRange, costDomain, linearTicks, logTicks, scale } from "./axes.js";
import { bandAt } from "./bands.js";
import { KINDS, exactly, inShort, rowsAt, totals } from "./costs.js";
import { OWN_KEYS, SHAPES, percent, roving, s, say, set, show } from "./dom.js";
import { buildLegend, layoutLegend } from "./legend.js";
import { accuracyText, costOf, front, isVisible, labelOrder, overBudget } from "./points.js";
import { pointTip, tip } from "./tips.js";

const LETTER = 6.1; // px, of a label
const PLOT = { height: 404, left: 40, right: 14, top: 46, bottom: 64 };

function build(view) {
  const n = view.nodes;
  const home = n.homes.plot;
  n.plot = s(home, "svg", { class: "cnnlab-svg", height: PLOT.height, "data-view": "tradeoff" });
  const p = (n.p = {});
  for (const [name, tag, attributes] of [
    ["shade", "rect", { class: "shade" }],
    ["grid", "g", { class: "grid" }],
    ["path", "g", { class: "path" }],
    ["front", "path", { class: "front" }],
    ["limit", "path", { class: "limit" }],
    ["pins", "g", { class: "pins" }],
    ["here", "line", { class: "here", "data-mark": "here" }],
    ["bars", "path", { class: "errors" }],
    ["points", "g", { role: "group" }],
    ["labels", "g", { class: "labels" }],
    ["spread", "path", { class: "spread", "data-mark": "spread" }],
    ["bandLine", "path", { class: "band", "data-mark": "band" }],
    ["bandText", "text", { class: "band-text" }],
  ]) p[name] = s(n.plot, tag, attributes);
  p.rings = [0, 1, 2].map(() => s(n.plot, "circle", { class: "ring", r: 9, visibility: "hidden", "data-mark": "ring" }));
  p.hereText = s(n.plot, "text", { class: "here-text", y: PLOT.top - 8 });
  p.limitText = s(n.plot, "text", { class: "small", y: PLOT.top - 26, "text-anchor": "end", "data-mark": "limit" });
  p.title = s(n.plot, "text", { x: 4, y: PLOT.top - 26, class: "title" });
  p.xTitle = s(n.plot, "text", { "text-anchor": "middle", y: PLOT.height - 6, class: "title" });
  view.groups = {};
  view.accuracyOf = (sum, place) => {
    const [best] = matches(view, sum, place);
    return best === undefined ? "" : accuracyText(view.evidence.points[best]);
  };
  view.hiddenSeries = new Set();
  buildLegend(view, home);
  n.plot.addEventListener("pointerover", (event) => pointTip(view, event.target));
  n.plot.addEventListener("focusin", (event) => pointTip(view, event.target));
  for (const event of ["pointerout", "focusout"]) n.plot.addEventListener(event, () => tip(view, null));
}

function layout(view) {
  const { nodes: n, evidence, against, model } = view;
  const { p } = n;
  const right = Math.max(240, n.plot.clientWidth) - PLOT.right;
  const bottom = PLOT.height - PLOT.bottom;
  view.box = { left: PLOT.left, right, top: PLOT.top, bottom };
  view.visible = evidence.points.filter((point) => isVisible(view, point));
  view.shown = new Set(view.visible);
  const logarithmic = model.get("logarithmic");
  const ends = [view.baseSum[against], ...Object.values(model.get("_latencies")).map((l) => against === "latency" && l.median)];
  const domain = costDomain([...view.visible.map((point) => costOf(view, point, against)), ...ends], logarithmic);
  const range = accuracyRange(view.visible);
  const along = scale(domain, [PLOT.left, right], logarithmic);
  view.x = (cost) => along(logarithmic ? Math.max(cost, domain[0] / 1e3) : cost);
  view.y = scale(range, [bottom, PLOT.top], false);
  view.range = range;
  layoutGrid(view, domain, range, logarithmic);
  say(p.title, evidence.axis);
  say(p.xTitle, `${KINDS[against].title}${logarithmic ? " (log)" : ""}`);
  set(p.xTitle, "x", (PLOT.left + right) / 2);
  set(p.here, "y1", PLOT.top);
  set(p.here, "y2", bottom);
  layoutPoints(view);
  const fronts = front(view, view.visible, against);
  view.fronts = fronts;
  const places = fronts.map((point) => view.places.get(point));
  set(p.front, "d", places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""));
  layoutLabels(view, labelOrder(view, view.visible, fronts, against));
  layoutBudget(view);
  layoutPath(view);
  layoutPins(view);
  layoutLegend(view);
}

function layoutGrid(view, domain, range, logarithmic) {
  const { left, right, top, bottom } = view.box;
  const { grid } = view.nodes.p;
  grid.replaceChildren();
  for (const y of linearTicks(...range)) {
    s(grid, "line", { x1: left, x2: right, y1: view.y(y), y2: view.y(y) });
    s(grid, "text", { x: left - 7, y: view.y(y) + 4, "text-anchor": "end", class: "small" }, `${y}`);
  }
  const ticks = logarithmic ? logTicks(...domain, right - left) : linearTicks(...domain, right - left);
  for (const x of ticks) {
    const at = view.x(x);
    s(grid, "line", { x1: at, x2: at, y1: top, y2: bottom });
    s(grid, "line", { x1: at, x2: at, y1: bottom, y2: bottom + 4, class: "tick" });
    s(grid, "text", { x: at, y: bottom + 17, "text-anchor": "middle", class: "small" }, inShort(view.against, x, 3));
  }
}

function layoutPoints(view) {
  const { evidence, against, nodes: { p } } = view;
  const { bottom, top } = view.box;
  const focused = view.drawn === evidence && p.points.querySelector(":focus")?.dataset.point;
  p.points.replaceChildren();
  view.drawn = evidence;
  view.places = new Map();
  view.below = 0;
  const errors = [];
  const marks = [];
  for (const point of view.visible) {
    const cost = costOf(view, point, against);
    if (cost === null) continue;
    const below = point.accuracy < view.range[0];
    view.below += below;
    const place = [view.x(cost), Math.min(bottom, view.y(point.accuracy))];
    view.places.set(point, place);
    const style = evidence.series.find((each) => each.name === point.series);
    const classes = ["point", `c-${style.colour}`, point.pale && "pale", below && "below", overBudget(view, point) && "over", point.kind];
    const mark = s(p.points, "path", {
      class: classes.filter(Boolean).join(" "), d: SHAPES[style.shape](point.kind === "yours" ? 6.5 : 4.5),
      transform: `translate(${place[0].toFixed(1)} ${place[1].toFixed(1)})`, "data-point": evidence.points.indexOf(point),
      role: "img", ...OWN_KEYS,
      "aria-label": `${point.name}: ${percent(point.accuracy)}, ${exactly(against, cost)} ${KINDS[against].label}; ${point.note}`,
    });
    if (point.low !== null && !below)
      errors.push(`M${place[0].toFixed(1)} ${Math.max(top, view.y(point.high)).toFixed(1)}V${Math.min(bottom, view.y(point.low)).toFixed(1)}`);
    marks.push([place[0], mark]);
  }
  set(p.bars, "d", errors.join(""));
  const sorted = marks.sort((a, b) => a[0] - b[0]).map(([, mark]) => mark);
  const kept = sorted.find((mark) => mark.dataset.point === focused);
  roving(sorted, kept);
  if (kept) kept.focus({ preventScroll: true });
  view.missing = view.visible.length - marks.length;
  set(p.points, "aria-label", `${marks.length} networks, accuracy against ${KINDS[against].label}; arrow keys move`);
}

// Labels where there is room: none on another label, on a marker or over the edge.
function layoutLabels(view, order) {
  const layer = view.nodes.p.labels;
  layer.replaceChildren();
  const markers = [...view.places.values()].map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  const taken = [];
  const clash = (a) => (b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  for (const point of order) {
    if (!view.places.has(point)) continue;
    const [x, y] = view.places.get(point);
    const width = point.label.length * LETTER + 2;
    const spots = [[x + 8, y - 5], [x + 8, y + 12], [x - width - 7, y - 5], [x - width - 7, y + 12], [x - width / 2, y - 10], [x - width / 2, y + 19]];
    for (const [left, base] of spots) {
      const area = [left, base - 10, left + width, base + 2];
      const inside = area[0] > view.box.left && area[2] < view.box.right && area[1] > view.box.top && area[3] < view.box.bottom - 14;
      if (!inside || [...markers, ...taken].some(clash(area))) continue;
      taken.push(area);
      s(layer, "text", { x: left, y: base, class: point.kind }, point.label);
      break;
    }
  }
}

function layoutBudget(view) {
  const { p } = view.nodes;
  const { left, right, top, bottom } = view.box;
  const budget = view.model.get("budgets")[view.against];
  const at = budget ? Math.min(Math.max(view.x(budget), left), right) : right;
  for (const [name, value] of Object.entries({ x: at, y: top, width: right - at, height: bottom - top }))
    set(p.shade, name, value);
  set(p.limit, "d", at < right ? `M${at} ${top}V${bottom}` : "");
  set(p.limitText, "x", right);
  say(p.limitText, at < right ? `shaded: over the budget, ${inShort(view.against, budget, 3)}` : "");
}

// The compound path: where phi = 0, 1, 2, ... stands on the axis, and what is predicted there.
function layoutPath(view) {
  const layer = view.nodes.p.path;
  layer.replaceChildren();
  const { left, right, bottom } = view.box;
  const curve = [];
  let last = -Infinity;
  for (const phi of PHIS) {
    const at = compound(view, phi);
    const cost = totals(view.lattice, at, rowsAt(view.lattice, at))[view.against];
    const x = cost === undefined ? NaN : view.x(cost);
    if (!(x >= left && x <= right)) continue;
    const band = bandAt(view, at);
    if (band) curve.push(`${curve.length ? "L" : "M"}${x.toFixed(1)} ${view.y(band.median).toFixed(1)}`);
    if (phi % 1 || x - last < 20) continue;
    s(layer, "path", { d: `M${x.toFixed(1)} ${bottom + 22}l-3 5h6z`, class: "mark" });
    s(layer, "text", { x, y: bottom + 38, "text-anchor": "middle", class: "small" }, phi || last > 0 ? `${phi}` : "φ = 0");
    last = x + (phi ? 0 : 14);
  }
  s(layer, "path", { d: curve.join("") });
}

function layoutPins(view) {
  const layer = view.nodes.p.pins;
  layer.replaceChildren();
  const { left, right, top, bottom } = view.box;
  view.model.get("pins").forEach((pin, i) => {
    const x = pin.sum[view.against] === undefined ? NaN : view.x(pin.sum[view.against]);
    if (!(x >= left && x <= right)) return;
    s(layer, "line", { x1: x, x2: x, y1: top, y2: bottom });
    s(layer, "text", { x: x + 3, y: top + 10 + 12 * i, class: "small" }, String.fromCharCode(65 + i));
  });
}

function update(view) {
  const { p } = view.nodes;
  const { left, right, top, bottom } = view.box;
  view.matches = matches(view, view.sum, networkText(view));
  const cost = view.sum[view.against];
  const exact = cost === undefined ? NaN : view.x(cost);
  const known = Number.isFinite(exact);
  const at = known ? Math.min(Math.max(exact, left), right) : left;
  show(p.here, known);
  show(p.hereText, known);
  const text = exact < left ? "◂ you are here" : exact > right ? "you are here ▸" : "you are here";
  for (const end of ["x1", "x2"]) set(p.here, end, at.toFixed(2));
  set(p.hereText, "x", Math.min(Math.max(at, left + 40), right - 40).toFixed(2));
  say(p.hereText, text);
  p.rings.forEach((ring, i) => {
    const place = view.matches.length > i ? view.places.get(view.evidence.points[view.matches[i]]) : null;
    show(ring, Boolean(place));
    if (!place) return;
    set(ring, "cx", place[0].toFixed(2));
    set(ring, "cy", place[1].toFixed(2));
  });
  updateSpread(view, bottom);
  updateBand(view, at, known && exact >= left && exact <= right, [top, bottom]);
}

// The quartiles of a measured latency, at the foot of "you are here".
function updateSpread(view, bottom) {
  const timed = view.against === "latency" && view.model.get("_latencies")[networkText(view)];
  const ends = timed && timed.low ? [view.x(timed.low), view.x(timed.high)] : null;
  set(view.nodes.p.spread, "d", ends ? `M${ends[0].toFixed(1)} ${bottom - 4}v8m0 -4H${ends[1].toFixed(1)}m0 -4v8` : "");
}

// The predicted interval at "you are here".
function updateBand(view, x, inside, [top, bottom]) {
  const { p } = view.nodes;
  const band = inside ? bandAt(view) : null;
  show(p.bandLine, Boolean(band));
  show(p.bandText, Boolean(band));
  if (!band) return;
  const [y0, y, y1] = [band.high, band.median, band.low].map((each) => Math.min(bottom, Math.max(top, view.y(each))).toFixed(1));
  set(p.bandLine, "d", `M${x - 6} ${y0}h12M${x} ${y0}V${y1}M${x - 6} ${y1}h12M${x - 9} ${y}h18`);
  const turned = x > view.box.right - 80;
  set(p.bandText, "x", turned ? x - 12 : x + 12);
  set(p.bandText, "y", Number(y) + 4);
  set(p.bandText, "text-anchor", turned ? "end" : "start");
  say(p.bandText, `predicted ${band.median.toFixed(1)} %`);
}

// Points that are this very network: of its place on the sliders (then perhaps for another number of classes), or, as
// far as multiply-adds and parameters tell, of its cost. Nothing is interpolated.
function matches(view, sum, place) {
  const { points } = view.evidence;
  const found = [];
  points.forEach((p, i) => {
    const alike = p.costs.macs === sum.macs && p.costs.params === sum.params;
    if (view.shown.has(p) && (p.place === place || (alike && mayStand(view.lattice, place, p)))) found.push(i);
  });
  return found.sort((a, b) => points[b].accuracy - points[a].accuracy);
}

// Whether a point of equal cost can be this network: a residual network whose shortcuts are free costs as much as a plain
// one, so what is known to be of another base is not it.
function mayStand(lattice, place, point) {
  const bases = [point.network && point.network[0], point.place && point.place.split(",")[0]].filter(Boolean);
  if (!bases.length || lattice.yours) return true;
  const [key, ...parts] = place.split(",");
  if (parts.some((part) => /^\d/.test(part))) return false; // its rows are edited
  return bases.includes(key) || (key === lattice.key && bases.includes(lattice.of));
}

export const tradeoff = { build, layout, update };
