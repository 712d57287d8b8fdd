// The Explorer's front end: it looks up and adds the numbers that Python computed (lattice.py), and draws them.
// No rounding rule and no cost formula stands here. While you drag, nothing waits for the kernel.

const SVG = "http://www.w3.org/2000/svg";
const KNOBS = ["depth", "width", "resolution"];
const KINDS = { macs: "multiply-adds", params: "parameters", activations: "activations" };
const PLOT = { height: 384, left: 40, right: 14, top: 44, bottom: 44 };
const BARS = { top: 38, row: 36, name: 62, value: 66 };
const NET = { height: 262, middle: 98, tallest: 184, labels: 210, column: 60, gap: 3, widest: 64 };
const SYNC_MS = 100;
const SPEAK_MS = 500;
const formatter = new Intl.NumberFormat("en-US");

// Small helpers.

const whole = (n) => formatter.format(n);

function short(n, digits) {
  const [size, unit] = n >= 1e9 ? [1e9, "G"] : n >= 1e6 ? [1e6, "M"] : n >= 1e3 ? [1e3, "k"] : [1, ""];
  const x = n / size;
  if (digits !== undefined) return `${Number(x.toPrecision(digits))} ${unit}`.trim();
  return `${size === 1 ? x : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2)} ${unit}`.trim();
}

const times = (x) => `× ${x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2)}`;
const percent = (x) => `${Number(x.toFixed(3))} %`;

function put(parent, node, attributes, text) {
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// JupyterLab takes arrow keys and letters from whatever has the focus, unless that very node says no.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

const h = (parent, tag, attributes, text) => put(parent, document.createElement(tag), attributes, text);
const s = (parent, tag, attributes, text) => put(parent, document.createElementNS(SVG, tag), attributes, text);

// Writing to the page costs layout, so only what changed is written.
function say(node, text) {
  if (node.said === text) return;
  node.said = text;
  node.textContent = text;
}

function set(node, name, value) {
  const memory = node.memory || (node.memory = {});
  if (memory[name] === value) return;
  memory[name] = value;
  node.setAttribute(name, value);
}

const show = (node, yes) => set(node, "visibility", yes ? "visible" : "hidden");

// The lattice: look-ups and sums.

function decode(model) {
  const sent = model.get("_numbers");
  const bytes = ArrayBuffer.isView(sent)
    ? sent.buffer.slice(sent.byteOffset, sent.byteOffset + sent.byteLength)
    : sent;
  const numbers = new Uint32Array(bytes);
  return model.get("_lattices").map((header) => ({
    ...header,
    numbers: numbers.subarray(header.at, header.at + header.length),
  }));
}

function lookUp(numbers, table, w, r) {
  const at = numbers[table.rows + w] * table.n + numbers[table.columns + r];
  const high = table.high === undefined ? 0 : numbers[table.high + at] * 2 ** 32;
  return numbers[table.low + at] + high;
}

function rowsAt(lattice, [d, w, r]) {
  const { numbers } = lattice;
  return lattice.stages.map((stage) => {
    const blocks = numbers[stage.blocks + d];
    const row = {
      name: stage.name,
      blocks,
      channels: numbers[stage.channels + w],
      size: numbers[stage.size + r],
    };
    for (const kind in KINDS) {
      row[kind] = lookUp(numbers, stage.first[kind], w, r);
      if (blocks > 1) row[kind] += (blocks - 1) * lookUp(numbers, stage.second[kind], w, r);
    }
    return row;
  });
}

function total(rows) {
  const sum = { macs: 0, params: 0, activations: 0 };
  for (const row of rows) for (const kind in KINDS) sum[kind] += row[kind];
  return sum;
}

const same = (a, b) => a.every((x, i) => x === b[i]);
const nearest = (steps, value) =>
  steps.reduce((best, x, i) => (Math.abs(x - value) < Math.abs(steps[best] - value) ? i : best), 0);

// The skeleton: built once.

function skeleton(view) {
  const root = h(view.el, "div", { class: "cnnlab", ...OWN_KEYS });
  const n = (view.nodes = { root });
  const head = h(root, "div", { class: "cnnlab-head" });
  h(head, "strong", {}, "Explorer");
  n.family = choice(head, "family", view.lattices.map((l) => [l.key, l.label]));
  n.against = choice(head, "x axis", Object.entries(KINDS));
  n.state = h(head, "code", { "data-readout": "state", title: "Explorer.from_state(...) restores this view" });
  const body = h(root, "div", { class: "cnnlab-body" });
  n.side = h(body, "div", { class: "cnnlab-side" });
  n.plotBox = h(body, "div", { class: "cnnlab-plot" });
  n.barsBox = h(body, "div", { class: "cnnlab-bars" });
  n.netBox = h(body, "div", { class: "cnnlab-net" });
  n.tip = h(root, "div", { class: "cnnlab-tip", role: "tooltip" });
  n.live = h(root, "div", { class: "cnnlab-live", "aria-live": "polite", "data-readout": "live" });
  buildKnobs(view);
  buildReadouts(view);
  buildPlot(view);
  n.bars = s(n.barsBox, "svg", { class: "cnnlab-svg" });
  n.detail = h(n.barsBox, "p", { class: "cnnlab-detail", "data-readout": "stage" });
  const title = h(n.netBox, "h4", {}, "The network, to scale ");
  h(title, "small", {}, "height grows with the feature map (square root), thickness with width, one slab a block");
  n.net = s(n.netBox, "svg", { class: "cnnlab-svg", height: NET.height });
}

function choice(parent, name, options) {
  const label = h(parent, "label", { class: "cnnlab-choice" }, `${name} `);
  const select = h(label, "select", { ...OWN_KEYS, "data-control": name.replace(" ", "-"), "aria-label": name });
  for (const [value, text] of options) h(select, "option", { value }, text);
  return select;
}

function buildKnobs(view) {
  view.nodes.knobs = {};
  const side = h(view.nodes.side, "div", { class: "cnnlab-knobs" });
  for (const name of [...KNOBS, "phi"]) {
    const box = h(side, "div", { class: "cnnlab-knob" });
    const label = h(box, "label", {});
    h(label, "span", {}, name === "phi" ? "compound φ" : name);
    const output = h(label, "output", { "data-output": name });
    const input = h(label, "input", {
      ...OWN_KEYS, type: "range", min: 0, max: 1, step: 1, "data-slider": name, "aria-label": name === "phi" ? "compound phi" : name,
    });
    view.nodes.knobs[name] = { input, output, hint: h(box, "small", { "data-hint": name }) };
  }
}

function buildReadouts(view) {
  const n = view.nodes;
  n.readouts = {};
  const side = h(n.side, "div", { class: "cnnlab-figures" });
  h(side, "h4", {}, "Cost of one image");
  for (const [key, text] of [...Object.entries(KINDS), ["weights", "weights (float32)"]]) {
    const line = h(side, "div", { class: "cnnlab-line" });
    h(line, "span", {}, text);
    n.readouts[key] = h(line, "b", { "data-readout": key });
  }
  h(side, "h4", {}, "Accuracy");
  const box = h(side, "div", { class: "cnnlab-accuracy", "data-readout": "accuracy" });
  n.accuracy = [0, 1, 2].map(() => {
    const line = h(box, "div", { class: "cnnlab-line" });
    return { line, name: h(line, "span"), value: h(line, "b"), note: h(box, "small") };
  });
  h(side, "h4", {}, "Budget");
  const line = h(side, "label", { class: "cnnlab-line" });
  h(line, "span", {}, "multiply-adds at most");
  const field = h(line, "span", { class: "cnnlab-budget" });
  n.budget = h(field, "input", { ...OWN_KEYS, type: "number", min: 0, step: "any", "data-control": "budget" });
  n.budgetUnit = h(field, "span");
  n.budgetHint = h(side, "small", { "data-readout": "budget" });
}

function buildPlot(view) {
  const n = view.nodes;
  n.plot = s(n.plotBox, "svg", { class: "cnnlab-svg", height: PLOT.height });
  n.legend = h(n.plotBox, "div", { class: "cnnlab-legend" });
  const p = (n.p = {});
  p.shade = s(n.plot, "rect", { class: "shade" });
  p.grid = s(n.plot, "g", { class: "grid" });
  p.front = s(n.plot, "path", { class: "front" });
  p.limit = s(n.plot, "path", { class: "limit" });
  p.here = s(n.plot, "line", { class: "here", "data-mark": "here" });
  p.points = s(n.plot, "g", { role: "group" });
  p.labels = s(n.plot, "g", { class: "labels" });
  p.rings = [0, 1, 2].map(() => s(n.plot, "circle", { class: "ring", r: 9, visibility: "hidden", "data-mark": "ring" }));
  p.hereText = s(n.plot, "text", { class: "here-text", y: PLOT.top - 8 });
  p.limitText = s(n.plot, "text", { class: "small", y: PLOT.top - 24, "text-anchor": "end" });
  p.title = s(n.plot, "text", { x: 4, y: PLOT.top - 24, class: "title" });
  p.xTitle = s(n.plot, "text", { "text-anchor": "middle", y: PLOT.height - 6, class: "title" });
}

// Per family: the rows of the bars and the columns of the network. Rebuilt when the family changes.

function buildStages(view) {
  const n = view.nodes;
  n.bars.replaceChildren();
  n.net.replaceChildren();
  const names = view.lattice.stages.map((stage) => stage.name);
  s(n.bars, "text", { x: 0, y: 13, class: "title strong" }, "Where the cost is");
  n.barKeys = [["macs", "multiply-adds"], ["params", "parameters"]].map(([kind, text]) => {
    const key = s(n.bars, "g");
    s(key, "rect", { class: kind, width: 8, height: 8, y: -8 });
    s(key, "text", { x: 12, class: "small" }, text);
    return key;
  });
  n.rows = names.map((name, i) => buildRow(view, name, i));
  n.columns = ["image", ...names].map((name) => buildColumn(view, name));
  const height = BARS.top + BARS.row * names.length + 2;
  set(n.bars, "height", height);
  roving(n.rows.map((row) => row.group));
  layoutBars(view);
}

function buildRow(view, name, i) {
  const y = BARS.top + i * BARS.row;
  const group = s(view.nodes.bars, "g", { class: "row", "data-stage": name, role: "img", ...OWN_KEYS });
  const back = s(group, "rect", { class: "back", x: 0, y: y + 1, height: BARS.row - 2, rx: 3 });
  s(group, "text", { x: 6, y: y + BARS.row / 2 + 4 }, name);
  const bar = (kind, dy) => [
    s(group, "rect", { class: kind, x: BARS.name, y: y + dy, height: 11 }),
    s(group, "text", { class: "small", y: y + dy + 9.5 }),
  ];
  return { group, back, macs: bar("macs", 6), params: bar("params", 19) };
}

function buildColumn(view, name) {
  const role = name === "image" ? "image" : /^stage/.test(name) ? "stage" : "end";
  const group = s(view.nodes.net, "g", { class: `column ${role}` });
  if (name !== "image") set(group, "data-stage", name);
  const back = s(group, "rect", { class: "back", y: 2, height: NET.height - 4, rx: 3 });
  const slabs = s(group, "path", { class: "slab" });
  const texts = [0, 1, 2, 3].map((i) =>
    s(group, "text", { class: i ? "small" : "", "text-anchor": "middle", y: NET.labels + 14 * i }));
  return { group, back, slabs, texts, name };
}

// One tab stop for many things: arrow keys, Home and End move among them.
function roving(nodes) {
  nodes.forEach((node, i) => node.setAttribute("tabindex", i ? -1 : 0));
  const go = (event) => {
    const at = nodes.indexOf(event.currentTarget);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: nodes.length - 1 };
    const next = nodes[to[event.key]];
    if (!next) return;
    event.preventDefault();
    nodes[at].setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  };
  for (const node of nodes) node.addEventListener("keydown", go);
}

// The plot's frame, points and labels: laid out anew when its width, its x axis, its points or the budget change.

function layoutPlot(view) {
  const { nodes: n, evidence, against } = view;
  const p = n.p;
  const right = Math.max(240, n.plot.clientWidth) - PLOT.right;
  const bottom = PLOT.height - PLOT.bottom;
  const [x0, x1] = evidence.domain[against].map(Math.log10);
  const [y0, y1] = evidence.range;
  view.x = (cost) => PLOT.left + ((Math.log10(cost) - x0) / (x1 - x0)) * (right - PLOT.left);
  view.y = (accuracy) => bottom - ((accuracy - y0) / (y1 - y0)) * (bottom - PLOT.top);
  view.box = { left: PLOT.left, right, top: PLOT.top, bottom };
  layoutGrid(view, evidence.domain[against], evidence.range);
  p.title.textContent = evidence.axis;
  p.xTitle.textContent = `${KINDS[against]}${against === "params" ? "" : " for one image"} (log)`;
  p.xTitle.setAttribute("x", (PLOT.left + right) / 2);
  set(p.here, "y1", PLOT.top);
  set(p.here, "y2", bottom);
  layoutPoints(view);
  const front = evidence.front[against].map((i) => view.places[i]).filter(Boolean);
  p.front.setAttribute("d", front.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""));
  layoutLabels(view);
  layoutBudget(view);
  layoutLegend(view);
}

function layoutGrid(view, domain, range) {
  const { left, right, top, bottom } = view.box;
  const grid = view.nodes.p.grid;
  grid.replaceChildren();
  for (const y of linearTicks(...range)) {
    s(grid, "line", { x1: left, x2: right, y1: view.y(y), y2: view.y(y) });
    s(grid, "text", { x: left - 7, y: view.y(y) + 4, "text-anchor": "end", class: "small" }, `${y}`);
  }
  for (const x of logTicks(...domain, right - left)) {
    const at = view.x(x);
    s(grid, "line", { x1: at, x2: at, y1: bottom, y2: bottom + 4, class: "tick" });
    s(grid, "text", { x: at, y: bottom + 17, "text-anchor": "middle", class: "small" }, short(x, 3));
  }
}

function linearTicks(least, most) {
  const rough = (most - least) / 11;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((x) => x >= rough);
  const ticks = [];
  for (let k = Math.ceil(least / step); k * step <= most; k++) ticks.push(Number((k * step).toPrecision(6)));
  return ticks;
}

function logTicks(least, most, pixels) {
  const decade = pixels / Math.log10(most / least);
  const marks = decade > 146 ? [1, 2, 5] : decade > 146 * 0.45 ? [1, 5] : [1];
  const ticks = [];
  for (let e = Math.floor(Math.log10(least)); e <= Math.log10(most); e++)
    for (const m of marks) if (m * 10 ** e >= least && m * 10 ** e <= most) ticks.push(m * 10 ** e);
  return ticks;
}

const SHAPES = {
  circle: (r) => polygon(24, r),
  diamond: (r) => polygon(4, r * 1.25),
  square: (r) => polygon(4, r * 1.3, Math.PI / 4),
  up: (r) => polygon(3, r * 1.3),
  down: (r) => polygon(3, r * 1.3, Math.PI),
  left: (r) => polygon(3, r * 1.3, -Math.PI / 2),
  pentagon: (r) => polygon(5, r * 1.15),
  star: (r) => polygon(10, r * 1.45, 0, 0.45),
  cross: (r) => polygon(8, r * 1.3, Math.PI / 4, 0.35),
  plus: (r) => polygon(8, r * 1.3, 0, 0.3),
};

function polygon(corners, radius, turn = 0, inner = 1) {
  const at = (i) => {
    const r = inner < 1 && i % 2 ? radius * inner : radius;
    const a = turn - Math.PI / 2 + (2 * Math.PI * i) / corners;
    return `${(r * Math.cos(a)).toFixed(2)} ${(r * Math.sin(a)).toFixed(2)}`;
  };
  return `M${Array.from({ length: corners }, (_, i) => at(i)).join("L")}Z`;
}

function layoutPoints(view) {
  const { evidence, against, box } = view;
  const layer = view.nodes.p.points;
  layer.replaceChildren();
  view.places = evidence.points.map((point) =>
    point[against] === null ? null : [view.x(point[against]), Math.min(view.y(point.accuracy), box.bottom)]);
  view.below = 0;
  const nodes = evidence.points.map((point, i) => {
    if (!view.places[i]) return null;
    const { colour, shape } = evidence.series[point.series];
    const below = point.accuracy < evidence.range[0];
    view.below += below;
    const classes = ["point", `c-${colour}`, point.pale && "pale", below && "below", point.kind];
    const node = s(layer, "path", {
      class: classes.filter(Boolean).join(" "),
      d: SHAPES[shape](point.kind === "yours" ? 6.5 : 4.3),
      transform: `translate(${view.places[i].map((v) => v.toFixed(1))})`,
      role: "img",
      "data-point": i,
      ...OWN_KEYS,
      "aria-label": `${point.name}: ${percent(point.accuracy)}, ${whole(point[against])} ${KINDS[against]}; ${point.note}`,
    });
    return node;
  });
  const order = evidence.points.map((_, i) => i).filter((i) => nodes[i]);
  order.sort((a, b) => view.places[a][0] - view.places[b][0]);
  roving(order.map((i) => nodes[i]));
  const missing = evidence.points.length - order.length;
  layer.setAttribute("aria-label", `${order.length} networks, accuracy against ${KINDS[against]}; arrow keys move`);
  view.missing = missing;
}

// Labels where there is room: none on another label, on a marker or over the edge.
function layoutLabels(view) {
  const layer = view.nodes.p.labels;
  layer.replaceChildren();
  const markers = view.places.filter(Boolean).map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  const taken = [];
  const clash = (a) => (b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  for (const i of view.evidence.order) {
    if (!view.places[i]) continue;
    const point = view.evidence.points[i];
    const [x, y] = view.places[i];
    const width = point.label.length * 6.1 + 2;
    const spots = [[x + 8, y - 5], [x + 8, y + 12], [x - width - 7, y - 5], [x - width - 7, y + 12], [x - width / 2, y - 10], [x - width / 2, y + 19]];
    for (const [left, base] of spots) {
      const area = [left, base - 10, left + width, base + 2];
      const inside = area[0] > view.box.left && area[2] < view.box.right && area[1] > view.box.top && area[3] < view.box.bottom;
      if (!inside || [...markers, ...taken].some(clash(area))) continue;
      taken.push(area);
      s(layer, "text", { x: left, y: base, class: point.kind }, point.label);
      break;
    }
  }
}

function layoutBudget(view) {
  const p = view.nodes.p;
  const { left, right, top, bottom } = view.box;
  const budget = view.model.get("budget");
  const at = budget && view.against === "macs" ? Math.min(Math.max(view.x(budget), left), right) : right;
  for (const [name, value] of Object.entries({ x: at, y: top, width: right - at, height: bottom - top }))
    set(p.shade, name, value);
  p.limit.setAttribute("d", at < right ? `M${at} ${top}V${bottom}` : "");
  set(p.limitText, "x", right);
  say(p.limitText, at < right ? `shaded: over the budget, ${short(budget, 3)}` : "");
}

function layoutLegend(view) {
  const { evidence, nodes: { legend } } = view;
  legend.replaceChildren();
  const entry = (text, draw) => {
    const line = h(legend, "div");
    draw(s(line, "svg", { width: 20, height: 14, viewBox: "-10 -7 20 14" }));
    h(line, "span", {}, text);
  };
  for (const { name, colour, shape } of evidence.series)
    entry(name, (box) => s(box, "path", { class: `point c-${colour}`, d: SHAPES[shape](4.3) }));
  if (evidence.points.length) entry("Pareto front", (box) => s(box, "path", { class: "front", d: "M-9 0H9" }));
  const notes = [
    evidence.points.some((p) => p.pale) && "pale: first recipe (V1); solid: later recipe",
    view.below && `hollow: below ${evidence.range[0]} %`,
    view.missing && `${view.missing} without known ${KINDS[view.against]} not shown`,
  ];
  for (const note of notes.filter(Boolean)) h(legend, "small", {}, note);
}

function layoutBars(view) {
  const n = view.nodes;
  const width = Math.max(200, n.bars.clientWidth);
  view.barLength = width - BARS.name - BARS.value;
  n.barKeys.forEach((key, i) => set(key, "transform", `translate(${BARS.name + 92 * i} 30)`));
  for (const row of n.rows) set(row.back, "width", width);
  view.netWidth = Math.max(320, n.net.clientWidth);
}

// One update, at most once a frame: attributes and texts of nodes that exist.

function schedule(view) {
  if (view.frame) return;
  view.frame = requestAnimationFrame(() => {
    view.frame = 0;
    update(view);
  });
}

function update(view) {
  const rows = (view.rows = rowsAt(view.lattice, view.at));
  const sum = (view.sum = total(rows));
  view.matches = matches(view);
  updateKnobs(view, rows, sum);
  updateReadouts(view, sum);
  updateAccuracy(view, sum);
  updateHere(view, sum);
  updateBars(view, rows, sum);
  updateNetwork(view, rows);
  updateDetail(view);
  clearTimeout(view.speaking);
  view.speaking = setTimeout(() => say(view.nodes.live, summary(view)), SPEAK_MS);
}

const values = (view) => KNOBS.map((name, i) => view.lattice[name][view.at[i]]);

function summary(view) {
  const [d, w, r] = values(view);
  const { macs, params } = view.sum;
  return `${view.lattice.key}, depth ${d}, width ${w}, ${r} px: ${whole(macs)} MACs, ${whole(params)} params`;
}

function updateKnobs(view, rows, sum) {
  const { lattice, nodes: n, at } = view;
  const [d, w, r] = values(view);
  const last = rows[rows.length - 2];
  const blocks = rows.slice(1, -1).reduce((all, row) => all + row.blocks, 0);
  const phi = lattice.phi.findIndex((path) => same(path, at));
  const growth = sum.macs / view.baseMacs;
  const path = `formula: cost ${times(lattice.growth ** (phi / 2))}; here, exactly: ${times(growth)}`;
  knob(n.knobs.depth, at[0], `× ${d}`, `${blocks} ${lattice.block} blocks`.replace("  ", " "));
  knob(n.knobs.width, at[1], `× ${w}`, `stem ${whole(rows[0].channels)}, last stage ${whole(last.channels)}`);
  knob(n.knobs.resolution, at[2], `${r} px`, `stride ${lattice.stride}: ${last.size} × ${last.size} at the end`);
  knob(
    n.knobs.phi,
    phi < 0 ? null : phi,
    phi < 0 ? "–" : (phi / 2).toFixed(1),
    phi < 0 ? `off the compound path; cost ${times(growth)} of the base` : `α·β²·γ² = ${lattice.growth.toFixed(2)}; ${path}`,
  );
  say(n.state, `${lattice.key},d=${d},w=${w},r=${r}`);
}

function knob({ input, output, hint }, position, text, note) {
  if (position !== null && input.value !== String(position)) input.value = position;
  say(output, text);
  say(hint, note);
  set(input, "aria-valuetext", `${text === "–" ? "" : `${text}, `}${note}`);
}

function updateReadouts({ nodes: n, lattice, model, budgetUnit }, sum) {
  for (const kind in KINDS) say(n.readouts[kind], whole(sum[kind]));
  say(n.readouts.weights, `${((sum.params * 4) / 1e6).toFixed(1)} MB`);
  const budget = model.get("budget");
  const used = budget ? (100 * sum.macs) / budget : 0;
  say(n.budgetHint, !budget ? "" : used <= 100 ? `${used.toFixed(0)} % of it is used` : `over it, × ${(used / 100).toFixed(2)}`);
}

// Points that are this very network: as many multiply-adds and as many parameters. Nothing is interpolated.
function matches({ evidence, sum }) {
  const { points } = evidence;
  const found = [];
  points.forEach((p, i) => p.macs === sum.macs && p.params === sum.params && found.push(i));
  return found.sort((a, b) => points[b].accuracy - points[a].accuracy);
}

function updateAccuracy(view, sum) {
  const { points } = view.evidence;
  const lines = view.matches.slice(0, 3).map((i) => [points[i].name, points[i]]);
  const more = view.matches.length - lines.length;
  if (more > 0) lines[2][0] += ` (and ${more} more)`;
  if (!lines.length) {
    const best = bestWithin(view, sum[view.against]);
    const word = points.some((p) => p.kind === "published") ? "published" : "measured";
    lines.push([points.length ? `nothing ${word} at this setting` : "no measured points", null]);
    if (best) lines.push([`best at no more cost: ${best.name}`, best]);
  }
  view.nodes.accuracy.forEach(({ line, name, value, note }, i) => {
    const [text, point] = lines[i] || ["", null];
    say(name, text);
    say(value, point ? percent(point.accuracy) : "");
    say(note, point ? [point.kind, point.note].filter(Boolean).join(": ") : "");
  });
}

function bestWithin({ evidence, against }, cost) {
  let best = null;
  for (const i of evidence.front[against]) if (evidence.points[i][against] <= cost) best = evidence.points[i];
  return best;
}

function updateHere(view, sum) {
  const { p } = view.nodes;
  const { left, right } = view.box;
  const exact = view.x(sum[view.against]);
  const at = Math.min(Math.max(exact, left), right);
  const text = exact < left ? "◂ you are here" : exact > right ? "you are here ▸" : "you are here";
  for (const end of ["x1", "x2"]) set(p.here, end, at.toFixed(2));
  set(p.hereText, "x", Math.min(Math.max(at, left + 40), right - 40).toFixed(2));
  say(p.hereText, text);
  p.rings.forEach((ring, i) => {
    const place = view.matches.length > i ? view.places[view.matches[i]] : null;
    show(ring, Boolean(place));
    if (!place) return;
    set(ring, "cx", place[0].toFixed(2));
    set(ring, "cy", place[1].toFixed(2));
  });
}

function updateBars(view, rows, sum) {
  let most = 0;
  for (const row of rows) most = Math.max(most, row.macs / sum.macs, row.params / sum.params);
  rows.forEach((row, i) => {
    const nodes = view.nodes.rows[i];
    for (const kind of ["macs", "params"]) {
      const [bar, text] = nodes[kind];
      const length = (row[kind] / sum[kind] / most) * view.barLength;
      set(bar, "width", Math.max(length, 0.5).toFixed(1));
      set(text, "x", (BARS.name + length + 4).toFixed(1));
      say(text, short(row[kind]));
    }
    set(nodes.group, "aria-label", sentence(row, sum));
  });
}

function sentence(row, sum) {
  const share = (kind) => `${((100 * row[kind]) / sum[kind]).toFixed(1)} %`;
  const shape = `${whole(row.blocks)} × ${whole(row.channels)} wide, ${row.size} px`;
  return (
    `${row.name}: ${whole(row.macs)} multiply-adds (${share("macs")}), ${whole(row.params)} parameters ` +
    `(${share("params")}), ${whole(row.activations)} activations (${share("activations")}); ${shape}`
  );
}

function updateDetail({ nodes, rows, sum, stage }) {
  const row = rows.find((each) => each.name === stage);
  say(nodes.detail, row ? sentence(row, sum) : "Point at a stage or focus it: its exact figures, here.");
}

function updateNetwork(view, rows) {
  const { nodes: n, lattice } = view;
  const r = values(view)[2];
  const tall = (size) => Math.sqrt(size / lattice.resolution[lattice.resolution.length - 1]) * NET.tallest;
  const image = { name: "image", size: r, blocks: 1, channels: 0 };
  const columns = [image, ...rows].map((row) => ({ ...row, thick: (row.channels * NET.widest) / lattice.widest }));
  const least = Math.min(NET.column, view.netWidth / columns.length);
  const fit = thickness(columns, least, view.netWidth);
  const widths = columns.map((row) => Math.max(least, breadth(row, fit)));
  const air = Math.max(0, view.netWidth - widths.reduce((a, b) => a + b, 0)) / columns.length;
  let x = 0;
  columns.forEach((row, i) => {
    const nodes = n.columns[i];
    set(nodes.group, "transform", `translate(${(x + (widths[i] + air) / 2).toFixed(1)} 0)`);
    set(nodes.back, "x", (-(widths[i] + air) / 2).toFixed(1));
    set(nodes.back, "width", (widths[i] + air).toFixed(1));
    set(nodes.slabs, "d", slabs(row, fit, tall(row.size)));
    columnTexts(row, lattice, least < NET.column).forEach((text, k) => say(nodes.texts[k], text));
    x += widths[i] + air;
  });
}

function columnTexts(row, lattice, narrow) {
  if (row.name === "image") return [`${row.size} px`, "image", "", ""];
  const classes = row.size === 1 && row.channels === lattice.classes;
  const second = `${whole(row.channels)} ${classes ? "classes" : narrow ? "ch" : "wide"}`;
  const third = /^stage/.test(row.name) ? `× ${row.blocks}` : "";
  return [`${row.size} px`, second, third || row.name, third ? row.name : ""];
}

const slab = (row, fit) => (row.name === "image" ? 4 : Math.max(1.5, row.thick * fit));
const gap = (fit) => Math.max(0.8, NET.gap * Math.sqrt(fit));
const breadth = (row, fit) => row.blocks * (slab(row, fit) + gap(fit)) + 6;

// The largest scale of thickness, at most 1, at which all columns fit side by side.
function thickness(columns, least, width) {
  const fits = (k) => columns.reduce((sum, row) => sum + Math.max(least, breadth(row, k)), 0) <= width + 0.01;
  if (fits(1)) return 1;
  let [low, high] = [0, 1];
  for (let i = 0; i < 14; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function slabs(row, fit, tall) {
  const thick = slab(row, fit);
  const step = thick + gap(fit);
  const start = -(row.blocks * step - gap(fit)) / 2;
  const top = (NET.middle - tall / 2).toFixed(1);
  let path = "";
  for (let i = 0; i < row.blocks; i++)
    path += `M${(start + i * step).toFixed(1)} ${top}h${thick.toFixed(1)}v${tall.toFixed(1)}h${(-thick).toFixed(1)}z`;
  return path;
}

// What the person does.

function listen(view) {
  const { nodes: n, model } = view;
  for (const [i, name] of KNOBS.entries())
    n.knobs[name].input.addEventListener("input", (event) => move(view, i, Number(event.target.value)));
  n.knobs.phi.input.addEventListener("input", (event) => {
    view.at = [...view.lattice.phi[Number(event.target.value)]];
    moved(view);
  });
  for (const { input } of Object.values(n.knobs)) input.addEventListener("change", () => send(view));
  n.family.addEventListener("change", () => {
    chooseFamily(view, n.family.value);
    moved(view);
    send(view);
  });
  n.against.addEventListener("change", () => {
    model.set("against", n.against.value);
    model.save_changes();
  });
  n.budget.addEventListener("input", () => {
    const value = n.budget.valueAsNumber * view.budgetUnit;
    model.set("budget", value > 0 ? value : null);
    model.save_changes();
  });
  for (const event of ["pointerover", "focusin"]) n.root.addEventListener(event, (e) => point(view, e.target));
  for (const event of ["pointerout", "focusout"]) n.root.addEventListener(event, () => point(view, null));
}

function move(view, knob, position) {
  view.at[knob] = position;
  moved(view);
}

function moved(view) {
  schedule(view);
  if (!view.syncing) view.syncing = setTimeout(() => send(view), SYNC_MS);
}

// Tell Python, but never more often than it can matter.
function send(view) {
  clearTimeout(view.syncing);
  view.syncing = 0;
  const [depth, width, resolution] = values(view);
  view.model.set({ family: view.lattice.key, depth, width, resolution });
  view.model.save_changes();
}

function chooseFamily(view, key) {
  const before = view.lattice && values(view);
  view.lattice = view.lattices.find((lattice) => lattice.key === key);
  const { lattice } = view;
  // Keep what the new family has too; what it lacks becomes its own base.
  const keep = (name, i) => (before ? lattice[name].indexOf(before[i]) : -1);
  view.at = KNOBS.map((name, i) => (keep(name, i) < 0 ? lattice.base[i] : keep(name, i)));
  view.baseMacs = total(rowsAt(lattice, lattice.base)).macs;
  view.budgetUnit = view.baseMacs < 3e8 ? 1e6 : 1e9;
  for (const name of KNOBS) view.nodes.knobs[name].input.max = lattice[name].length - 1;
  view.nodes.knobs.phi.input.max = lattice.phi.length - 1;
  view.nodes.family.value = key;
  say(view.nodes.budgetUnit, view.budgetUnit === 1e9 ? "G" : "M");
  buildStages(view);
  showBudget(view);
}

function showBudget(view) {
  const budget = view.model.get("budget");
  const shown = view.nodes.budget.valueAsNumber * view.budgetUnit;
  if ((budget || NaN) !== shown) view.nodes.budget.value = budget ? budget / view.budgetUnit : "";
}

// Hover and focus: a stage lights up in every view, a point says what it is.
function point(view, target) {
  const group = target && target.closest("[data-stage]");
  const stage = group ? group.getAttribute("data-stage") : null;
  const mark = target && target.closest("[data-point]");
  if (stage !== view.stage) {
    view.stage = stage;
    view.nodes.root.classList.toggle("has-stage", Boolean(stage));
    for (const node of [...view.nodes.rows, ...view.nodes.columns])
      node.group.classList.toggle("on", stage !== null && node.group.getAttribute("data-stage") === stage);
    updateDetail(view);
  }
  tip(view, mark);
}

function tip(view, mark) {
  const { tip: box, root } = view.nodes;
  box.classList.toggle("on", Boolean(mark));
  if (!mark) return;
  const each = view.evidence.points[Number(mark.getAttribute("data-point"))];
  box.replaceChildren();
  h(box, "strong", {}, each.name);
  h(box, "div", {}, `${percent(each.accuracy)} (${each.kind})`);
  for (const kind in KINDS) if (each[kind] !== null) h(box, "div", {}, `${whole(each[kind])} ${KINDS[kind]}`);
  if (each.note) h(box, "small", {}, each.note);
  const at = mark.getBoundingClientRect();
  const home = root.getBoundingClientRect();
  const left = Math.min(at.right - home.left + 8, home.width - box.offsetWidth - 8);
  box.style.left = `${Math.max(4, left)}px`;
  box.style.top = `${Math.max(4, at.top - home.top - box.offsetHeight - 8)}px`;
}

// What Python does: traits that change there move the picture here.
function follow(view) {
  const { model } = view;
  const pull = () => {
    if (model.get("family") !== view.lattice.key) chooseFamily(view, model.get("family"));
    const at = KNOBS.map((name) => nearest(view.lattice[name], model.get(name)));
    if (!same(at, view.at)) view.at = at;
    schedule(view);
  };
  const redraw = () => {
    view.evidence = model.get("_evidence");
    view.against = model.get("against");
    view.nodes.against.value = view.against;
    showBudget(view);
    layoutPlot(view);
    schedule(view);
  };
  const bindings = [
    ...["family", ...KNOBS].map((name) => [`change:${name}`, pull]),
    ...["_evidence", "against", "budget"].map((name) => [`change:${name}`, redraw]),
  ];
  for (const [name, callback] of bindings) model.on(name, callback);
  const observer = new ResizeObserver(() => {
    layoutPlot(view);
    layoutBars(view);
    schedule(view);
  });
  for (const node of [view.nodes.plotBox, view.nodes.barsBox, view.nodes.netBox]) observer.observe(node);
  return () => {
    observer.disconnect();
    for (const [name, callback] of bindings) model.off(name, callback);
    clearTimeout(view.syncing);
    clearTimeout(view.speaking);
    cancelAnimationFrame(view.frame);
  };
}

function render({ model, el }) {
  const view = { model, el, lattices: decode(model), evidence: model.get("_evidence"), against: model.get("against") };
  skeleton(view);
  chooseFamily(view, model.get("family"));
  view.at = KNOBS.map((name) => nearest(view.lattice[name], model.get(name)));
  view.nodes.against.value = view.against;
  layoutPlot(view);
  update(view);
  listen(view);
  return follow(view);
}

export default { render };
