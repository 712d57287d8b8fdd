// The points of accuracy against cost: which are visible, what each costs, which no other beats.

import { percent } from "./dom.js";

// A point's cost of a kind: a number, or null where it is not known. Kinds that were asked for later stand apart.
export function costOf(view, point, kind) {
  const own = point.costs[kind];
  if (own !== undefined) return own;
  if (kind === "latency") {
    const measured = view.model.get("_latencies")[point.place];
    return measured ? measured.median : null;
  }
  const more = view.model.get("_costs");
  if (more.source !== view.evidence.source || !more[kind]) return null;
  return more[kind][view.evidence.points.indexOf(point)] ?? null;
}

// Which groups (recipes, papers) and which series (families) are shown: what the person chose, else what Python says.
export function groupShown(view, group) {
  const chosen = view.groups[`${view.evidence.source}|${group.name}`];
  return chosen === undefined ? group.shown : chosen;
}

export const seriesShown = (view, name) => !view.hiddenSeries.has(name);

export function isVisible(view, point) {
  const group = view.evidence.groups.find((each) => each.name === point.group);
  return (!group || groupShown(view, group)) && seriesShown(view, point.series);
}

export const accuracyText = (p) =>
  (p.low === null ? percent(p.accuracy) : `${p.accuracy.toFixed(1)} ± ${((p.high - p.low) / 2).toFixed(1)} %`);

export const visible = (view) => view.visible || [];

export function overBudget(view, point) {
  return Object.entries(view.model.get("budgets")).some(([kind, most]) => {
    const cost = costOf(view, point, kind);
    return cost === null || cost > most;
  });
}

// The points that none beats in both cost and accuracy, from the cheapest to the best (as cnnlab.arch.pareto).
export function front(view, points, kind) {
  const known = points.map((point) => [costOf(view, point, kind), point]).filter(([cost]) => cost !== null);
  known.sort((a, b) => a[0] - b[0] || b[1].accuracy - a[1].accuracy);
  let best = -1;
  return known.filter(([, point]) => {
    if (point.accuracy <= best) return false;
    best = point.accuracy;
    return true;
  }).map(([, point]) => point);
}

// Whom to label first: one's own, then the best and the cheapest of the families, then the front.
const MOST_LABELS = 24;

export function labelOrder(view, points, fronts, kind) {
  const yours = points.filter((p) => p.kind === "yours");
  const ends = [];
  for (const { name } of view.evidence.series) {
    const members = points.filter((p) => p.series === name && costOf(view, p, kind) !== null);
    if (!members.length || name === "other CNNs" || name === "yours") continue;
    ends.push(members.reduce((a, b) => (b.accuracy > a.accuracy ? b : a)));
    ends.push(members.reduce((a, b) => (costOf(view, b, kind) < costOf(view, a, kind) ? b : a)));
  }
  return [...new Set([...yours, ...ends.slice(0, 6), ...fronts, ...ends.slice(6)])].slice(0, MOST_LABELS + yours.length);
}
