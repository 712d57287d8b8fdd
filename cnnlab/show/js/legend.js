// The legend: what marks mean; families and groups (recipes, papers) can be switched on and off.

import { KINDS } from "./costs.js";
import { OWN_KEYS, SHAPES, h, s } from "./dom.js";
import { groupShown, seriesShown } from "./points.js";

export function buildLegend(view, home) {
  view.nodes.legend = h(home, "div", { class: "cnnlab-legend", role: "group", "aria-label": "legend" });
}

export function layoutLegend(view) {
  const { evidence, nodes: { legend } } = view;
  const focused = legend.contains(document.activeElement) ? document.activeElement.getAttribute("data-control") : null;
  const open = legend.querySelector("details")?.open;
  legend.replaceChildren();
  for (const { name, colour, shape } of evidence.series) {
    if (!evidence.points.some((p) => p.series === name && groupShown(view, groupOf(evidence, p)))) continue;
    const flip = () => (seriesShown(view, name) ? view.hiddenSeries.add(name) : view.hiddenSeries.delete(name));
    const line = entry(view, legend, name, seriesShown(view, name), flip);
    mark(line, (box) => s(box, "path", { class: `point c-${colour}`, d: SHAPES[shape](4.3) }));
    h(line, "span", {}, name);
  }
  if (view.visible.length) {
    const line = h(legend, "div");
    mark(line, (box) => s(box, "path", { class: "front", d: "M-9 0H9" }));
    h(line, "span", {}, "Pareto front");
  }
  for (const note of notes(view)) h(legend, "small", {}, note);
  if (evidence.groups.length > 1) groups(view, legend, open);
  if (focused) legend.querySelector(`[data-control="${focused}"]`)?.focus();
}

const groupOf = (evidence, point) => evidence.groups.find((each) => each.name === point.group) || { shown: true };

function groups(view, legend, open) {
  const box = h(legend, "details", { class: "cnnlab-groups-of-points" });
  box.open = Boolean(open);
  h(box, "summary", { ...OWN_KEYS, "data-control": "groups" }, "recipes and papers");
  for (const group of view.evidence.groups) {
    const flip = () => { view.groups[`${view.evidence.source}|${group.name}`] = !groupShown(view, group); };
    const line = entry(view, box, group.name, groupShown(view, group), flip);
    line.title = group.note;
    h(line, "span", {}, `${group.name} (${group.count})`);
  }
}

function entry(view, home, name, checked, flip) {
  const line = h(home, "label");
  const input = h(line, "input", { ...OWN_KEYS, type: "checkbox", "data-control": `show-${name}`, "aria-label": `show ${name}` });
  input.checked = checked;
  input.addEventListener("change", () => {
    flip();
    view.layout();
  });
  return line;
}

const mark = (line, draw) => draw(s(line, "svg", { width: 20, height: 14, viewBox: "-10 -7 20 14" }));

function notes(view) {
  return [
    view.visible.some((p) => p.pale) && "pale: first recipe; solid: later recipe",
    view.visible.some((p) => p.low !== null) && "bars: 95 % interval of the mean over seeds",
    view.below && `hollow: below ${view.range[0]} %`,
    view.missing && `${view.missing} without known ${KINDS[view.against].label} not shown`,
  ].filter(Boolean);
}
