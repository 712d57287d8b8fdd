// The figures: what one image costs, what accuracy was published, measured or is predicted here, and the budgets.

import { goTo, networkText } from "./actions.js";
import { bandAt } from "./bands.js";
import { COUNTS, KINDS, exactly, inShort } from "./costs.js";
import { OWN_KEYS, button, h, hide, percent, say } from "./dom.js";
import { accuracyText, costOf, overBudget, visible } from "./points.js";

const UNITS = { macs: 1e6, params: 1e6, activations: 1e6, inference: 1e6, training: 1e6, latency: 1e-3 };
const WORDS = { macs: "M", params: "M", activations: "M", inference: "MB", training: "MB", latency: "ms" };
const MOST = 1e9;

function build(view) {
  const n = view.nodes;
  const side = h(n.homes.side, "div", { class: "cnnlab-figures" });
  h(side, "h4", {}, "Cost of one image");
  n.readouts = {};
  const kinds = [...COUNTS.map((kind) => [kind, KINDS[kind].label]), ["weights", "weights (float32)"], ["axis", ""]];
  for (const [key, text] of kinds) {
    const line = h(side, "div", { class: "cnnlab-line" });
    n.readouts[key] = { line, name: h(line, "span", {}, text), value: h(line, "b", { "data-readout": key }) };
  }
  if (view.shows("accuracy")) buildAccuracy(view, side);
  if (view.shows("budget")) buildBudget(view, side);
}

function buildAccuracy(view, side) {
  h(side, "h4", {}, "Accuracy");
  const box = h(side, "div", { class: "cnnlab-accuracy", "data-readout": "accuracy" });
  view.nodes.accuracy = [0, 1, 2].map(() => {
    const line = h(box, "div", { class: "cnnlab-line" });
    return { line, name: h(line, "span"), value: h(line, "b"), note: h(box, "small") };
  });
  view.nodes.predicted = h(side, "small", { class: "cnnlab-predicted", "data-readout": "predicted" });
}

function buildBudget(view, side) {
  const n = view.nodes;
  h(side, "h4", {}, "Budget");
  const line = h(side, "label", { class: "cnnlab-line" });
  n.budgetName = h(line, "span");
  const field = h(line, "span", { class: "cnnlab-budget" });
  n.budget = h(field, "input", { ...OWN_KEYS, type: "number", min: 0, step: "any", "data-control": "budget" });
  n.budgetUnit = h(field, "span");
  n.budgetHint = h(side, "small", { "data-readout": "budget" });
  n.best = button(side, "best", "Best under this budget", () => best(view), "To the most accurate network that keeps to it");
  n.budget.addEventListener("input", () => {
    view.best = null;
    const value = Math.min(n.budget.valueAsNumber * unit(view), Number.MAX_SAFE_INTEGER);
    const budgets = { ...view.model.get("budgets") };
    if (value > 0) budgets[view.against] = value;
    else delete budgets[view.against];
    view.model.set("budgets", budgets);
    view.model.save_changes();
    view.layout();
  });
}

// A number in a budget's field is of this unit: millions or thousands of millions, as the family's base needs.
function unit(view) {
  const usual = UNITS[view.against] || UNITS.macs;
  return view.against !== "latency" && (view.baseSum[view.against] || 0) > 3e8 && view.against !== "params" ? 1e9 : usual;
}

function layout(view) {
  const n = view.nodes;
  if (!n.budget) return;
  const budget = view.model.get("budgets")[view.against];
  const word = WORDS[view.against] || WORDS.macs;
  say(n.budgetName, `${KINDS[view.against].label.replace(/,.*/, "")} at most`);
  n.budget.setAttribute("aria-label", `budget: ${n.budgetName.textContent}`);
  say(n.budgetUnit, unit(view) === MOST ? word.replace("M", "G") : word);
  if (document.activeElement === n.budget) return; // it is being typed
  const shown = n.budget.valueAsNumber * unit(view);
  if (Math.abs((budget || NaN) / shown - 1) > 1e-9 || Number.isNaN(shown) !== !budget)
    n.budget.value = budget ? Number((budget / unit(view)).toPrecision(12)) : "";
}

// The most accurate of the points on the plot that keep to every budget: to its place on the sliders, if it has one.
function best(view) {
  const found = bestPoint(view);
  const place = found && found.place ? found.place : networkText(view);
  view.best = { place, words: found ? bestWords(found) : "no point on the plot keeps to the budget" };
  if (found && found.place) goTo(view, found.place);
  else view.schedule();
}

const bestWords = (point) => `${point.name}: ${percent(point.accuracy)}${point.place ? "" : "; the sliders cannot make it"}`;

export function bestPoint(view) {
  const points = visible(view).filter((point) => !overBudget(view, point));
  return points.reduce((top, point) => (!top || point.accuracy > top.accuracy ? point : top), null);
}

function update(view) {
  const { nodes: n, sum, against } = view;
  for (const kind of COUNTS) say(n.readouts[kind].value, exactly(kind, sum[kind]));
  say(n.readouts.weights.value, `${((sum.params * 4) / 1e6).toFixed(1)} MB`);
  const { line, name, value } = n.readouts.axis;
  hide(line, COUNTS.includes(against));
  say(name, KINDS[against].label);
  say(value, sum[against] === undefined ? (against === "latency" ? "not measured" : "…") : inShort(against, sum[against]));
  if (n.accuracy) updateAccuracy(view);
  if (n.budget) updateBudget(view);
}

function updateBudget(view) {
  const budgets = view.model.get("budgets");
  const words = Object.entries(budgets).map(([kind, most]) => {
    const used = view.sum[kind] / most;
    const told = Number.isNaN(used) ? "unknown" : used <= 1 ? `${(100 * used).toFixed(0)} % used` : `over, × ${used.toFixed(2)}`;
    return kind === view.against ? told : `${KINDS[kind].label} at most ${inShort(kind, most, 3)}: ${told}`;
  });
  if (view.best && view.best.place === networkText(view)) words.push(view.best.words);
  say(view.nodes.budgetHint, words.join("; "));
  view.nodes.best.disabled = !Object.keys(budgets).length;
}

// Points that are this very network: as many multiply-adds and as many parameters. Nothing is interpolated.
function updateAccuracy(view) {
  const lines = view.matches.slice(0, 3).map((i) => [view.evidence.points[i].name, view.evidence.points[i]]);
  const more = view.matches.length - lines.length;
  if (more > 0) lines[2][0] += ` (and ${more} more)`;
  if (!lines.length) {
    const points = visible(view);
    const word = points.some((p) => p.kind === "published") ? "published" : "measured";
    lines.push([points.length ? `nothing ${word} at this setting` : "no measured points", null]);
    const cheaper = bestWithin(view);
    if (cheaper) lines.push([`best at no more cost: ${cheaper.name}`, cheaper]);
  }
  view.nodes.accuracy.forEach(({ name, value, note }, i) => {
    const [text, point] = lines[i] || ["", null];
    say(name, text);
    say(value, point ? accuracyText(point) : "");
    say(note, point ? [point.kind, point.note].filter(Boolean).join(": ") : "");
  });
  const band = bandAt(view);
  say(view.nodes.predicted, band ? bandWords(band) : "");
}

const bandWords = (b) =>
  `predicted, not measured: ${b.median.toFixed(1)} % (${b.low.toFixed(1)} to ${b.high.toFixed(1)} %; error of settings left out ${b.error.toFixed(1)} points)`;

function bestWithin(view) {
  const most = view.sum[view.against];
  const points = visible(view).filter((p) => costOf(view, p, view.against) <= most && costOf(view, p, view.against) !== null);
  return points.reduce((top, point) => (!top || point.accuracy > top.accuracy ? point : top), null);
}

export const readouts = { build, layout, update };
