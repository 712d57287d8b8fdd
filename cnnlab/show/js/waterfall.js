// How the cost of one network becomes that of another, stage by stage (cnnlab/arch/diff.py, cnnlab/show/waterfall.py).

import { inShort } from "./costs.js";
import { OWN_KEYS, h, roving, s, say, set, times, whole } from "./dom.js";

const FALL = { row: 23, name: 104, value: 82, bar: 14, top: 4 };

// What each stage costs in `before` and in `after`: networks' rows, stage beside stage where both have as many, else
// those whose images are as many times smaller than the input, from the largest to the smallest.
export function stageChanges(before, after, kind) {
  const inOrder = before.length === after.length;
  const label = (row, i) => {
    if (!inOrder) return row.smaller;
    return before[i].name === after[i].name ? row.name : `${before[i].name} / ${after[i].name}`;
  };
  const found = new Map();
  for (const [side, network] of [["before", before], ["after", after]])
    network.forEach((row, i) => {
      const name = label(row, i);
      if (!found.has(name)) found.set(name, { label: name, before: 0, after: 0, stages: [] });
      const change = found.get(name);
      change[side] += row[kind];
      if (side === "after") change.stages.push(row.name);
    });
  const size = (name) => ({ stem: 0, head: Infinity })[name] ?? Number(name.slice(2));
  const changes = [...found.values()];
  return inOrder ? changes : changes.sort((a, b) => size(a.label) - size(b.label));
}

// The bars, from the whole of the first network to the whole of the second.
export function waterfallBars(from, to, kind) {
  let at = from.rows.reduce((sum, row) => sum + row[kind], 0);
  const bars = [{ label: from.label, start: 0, end: at, whole: true, stages: [] }];
  for (const { label, before, after, stages } of stageChanges(from.rows, to.rows, kind)) {
    const end = at + after - before;
    bars.push({ label: label.startsWith("1/") ? `at ${label} size` : label, before, after, start: at, end, stages });
    at = end;
  }
  return [...bars, { label: to.label, start: 0, end: at, whole: true, stages: [] }];
}

export function buildWaterfall(view, home) {
  const n = (view.nodes.waterfall = { lines: [] });
  n.title = h(home, "p", { class: "cnnlab-fall-title" });
  const key = h(home, "p", { class: "cnnlab-fall-key", "aria-hidden": "true" });
  for (const [name, text] of [["whole", "whole network"], ["less", "− less"], ["more", "+ more"]]) {
    const box = s(key, "svg", { width: 10, height: 10, class: name });
    s(box, "rect", { class: "fall", width: 10, height: 10 });
    h(key, "span", {}, text);
  }
  const label = "waterfall, stage by stage; arrow keys move";
  n.svg = s(home, "svg", { class: "cnnlab-fall", role: "group", "aria-label": label });
  n.detail = h(home, "p", { class: "cnnlab-detail", "data-readout": "waterfall" });
}

export const layoutWaterfall = (view) => {
  const { waterfall: n } = view.nodes;
  n.width = Math.max(300, n.svg.clientWidth);
};

function fallLine(n, i) {
  const group = s(n.svg, "g", { class: "fall-line", role: "img", ...OWN_KEYS });
  const y = FALL.top + i * FALL.row;
  const middle = y + FALL.row / 2 + 4;
  const air = (FALL.row - FALL.bar) / 2;
  return {
    group,
    title: s(group, "title"),
    back: s(group, "rect", { class: "back", x: 0, y: y + 1, height: FALL.row - 2, rx: 3 }),
    name: s(group, "text", { x: 4, y: middle }),
    bar: s(group, "rect", { class: "fall", y: y + air, height: FALL.bar }),
    joint: s(group, "line", { class: "joint", y1: y + FALL.row - air, y2: y + FALL.row + air }),
    value: s(group, "text", { class: "small", y: middle }),
  };
}

// As many lines as bars: they are only made anew where their number changes.
function fallLines(n, count) {
  if (n.lines.length === count) return;
  n.svg.replaceChildren();
  n.lines = Array.from({ length: count }, (_, i) => fallLine(n, i));
  roving(n.lines.map(({ group }) => group));
  set(n.svg, "height", FALL.top * 2 + FALL.row * count);
}

// from, to: {label, rows}. unit: what is counted, in words.
export function drawWaterfall(view, from, to, [kind, unit]) {
  const n = view.nodes.waterfall;
  const bars = waterfallBars(from, to, kind);
  const most = Math.max(...bars.map((bar) => Math.max(bar.start, bar.end))) || 1;
  const scale = Math.max(40, n.width - FALL.name - FALL.value) / most;
  fallLines(n, bars.length);
  const [first, last] = [bars[0], bars.at(-1)];
  bars.forEach((bar, i) => drawBar(n.lines[i], bar, { kind, unit, scale, width: n.width, last: bar === last }));
  const change = `${signed(last.end - first.end, whole)} ${unit}`;
  n.summary = `${from.label} to ${to.label}: ${change}, ${times(last.end / (first.end || 1))}`;
  pointWaterfall(view);
}

const signed = (change, told) => `${change < 0 ? "−" : change > 0 ? "+" : "±"} ${told(Math.abs(change))}`;

function drawBar(line, bar, { kind, unit, scale, width, last }) {
  const change = bar.end - bar.start;
  const x = (amount) => FALL.name + amount * scale;
  const right = x(Math.max(bar.start, bar.end));
  line.stages = bar.stages;
  set(line.group, "class", `fall-line ${bar.whole ? "whole" : change < 0 ? "less" : change > 0 ? "more" : "same"}`);
  set(line.group, "data-stage", bar.stages[0] ?? null);
  set(line.back, "width", width);
  say(line.name, bar.label);
  set(line.bar, "x", x(Math.min(bar.start, bar.end)).toFixed(1));
  set(line.bar, "width", (change ? Math.max(1, Math.abs(change) * scale) : 0).toFixed(1));
  for (const end of ["x1", "x2"]) set(line.joint, end, x(bar.end).toFixed(1));
  set(line.joint, "visibility", last ? "hidden" : "visible");
  set(line.value, "x", (right + 5).toFixed(1));
  const brief = change ? signed(change, (size) => inShort(kind, size)) : "no change";
  say(line.value, bar.whole ? inShort(kind, bar.end) : brief);
  const steps = bar.whole ? "" : `${whole(bar.before)} to ${whole(bar.after)} ${unit}: ${signed(change, whole)}`;
  line.words = `${bar.label}: ${bar.whole ? `${whole(bar.end)} ${unit}` : steps}`;
  set(line.group, "aria-label", line.words);
  say(line.title, line.words);
}

// A line of several stages lights up with each of them. Its exact figures stand below.
export function pointWaterfall(view) {
  const n = view.nodes.waterfall;
  const pointed = view.stage && n.lines.find(({ stages }) => stages.includes(view.stage));
  for (const line of n.lines) line.group.classList.toggle("on", line === pointed);
  say(n.detail, pointed ? pointed.words : n.summary || "");
}
