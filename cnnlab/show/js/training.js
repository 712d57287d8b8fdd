// Train the network of the sliders, and take its time: Python does both in the background, and tells how far it is.

import { ask, networkText } from "./actions.js";
import { linearTicks, scale } from "./axes.js";
import { exactly } from "./costs.js";
import { OWN_KEYS, SHAPES, button, choice, h, hide, s, say, section, set, whole } from "./dom.js";

const CURVE = { height: 190, left: 40, right: 142, top: 24, bottom: 38, apart: 15 };
const LINES = [
  ["validation", "validation_accuracy", "circle"],
  ["training", "train_accuracy", "square"],
];
const MOST_MARKS = 60;
const ON = ["preparing", "running"];
const TRAINERS = ["train", "stop", "latency"]; // what Python is asked for

function buildTrainer(view) {
  if (!view.shows("training")) return;
  const part = section(view.nodes.homes.below, "training", "Train this network", false);
  const n = (view.nodes.trainer = { ...part });
  part.box.addEventListener("toggle", () => view.layout());
  if (view.model.get("_static")) {
    h(part.body, "p", {}, "Training and timing need Python: in this saved page there is none.");
    return;
  }
  const bar = h(part.body, "div", { class: "cnnlab-bar" });
  n.data = choice(bar, "train-data", view.model.get("_trainable"), "data");
  n.epochs = trainingNumber(bar, "epochs", 4, { min: 1, max: 1000 });
  n.limit = trainingNumber(bar, "images at most", 6000, { min: 1 });
  n.train = button(bar, "train", "Train", () => beginTraining(view), "In the background: the notebook stays free");
  n.stop = button(bar, "stop", "Stop", () => askTrainer(view, { do: "stop" }));
  n.bar = h(part.body, "div", { class: "cnnlab-bar" });
  n.progress = h(n.bar, "progress", { "aria-label": "epochs that are over", max: 1 });
  n.count = h(n.bar, "span", { "data-readout": "epochs" });
  n.status = h(part.body, "p", { role: "status", class: "cnnlab-status", "data-readout": "training" });
  n.curve = s(part.body, "svg", { class: "cnnlab-curve", height: CURVE.height, role: "img", "data-view": "curve" });
  const time = h(part.body, "div", { class: "cnnlab-bar" });
  const measure = () => askTrainer(view, { do: "latency" });
  n.time = button(time, "latency", "Measure latency", measure, "Of one image, on this machine");
  n.latency = h(time, "span", { "data-readout": "latency" });
}

function trainingNumber(bar, name, value, limits) {
  const label = h(bar, "label", {}, `${name} `);
  const control = { "data-control": name.replaceAll(" ", "-"), "aria-label": name };
  return h(label, "input", { ...OWN_KEYS, ...control, type: "number", step: 1, value, ...limits });
}

// What the person does.

function beginTraining(view) {
  const { data, epochs, limit } = view.nodes.trainer;
  for (const [input, name] of [[epochs, "epochs"], [limit, "images at most"]])
    if (!input.validity.valid || input.value === "") {
      const rule = `a whole number ${input.max ? `from 1 to ${input.max}` : "of at least 1"}`;
      tellTrainer(view, `${name}: ${input.value || "nothing"}: it must be ${rule}.`);
      input.focus();
      return;
    }
  askTrainer(view, { do: "train", data: data.value, epochs: epochs.valueAsNumber, limit: limit.valueAsNumber });
}

// Until Python says something, the buttons wait.
function askTrainer(view, message) {
  view.nodes.trainer.own = ["Python is asked.", "preparing"];
  view.waits = message.do;
  ask(view, message);
  drawTrainer(view);
}

function tellTrainer(view, text) {
  view.nodes.trainer.own = [text, "failed"];
  view.waits = null;
  drawTrainer(view);
}

// What Python says.

function updateTrainer(view) {
  const n = view.nodes.trainer;
  if (!n || !n.status) return;
  const [told, times] = ["_training", "_latencies"].map((name) => view.model.get(name));
  if (n.told !== told || n.times !== times) {
    [n.told, n.times, n.own] = [told, times, null];
    if (TRAINERS.includes(view.waits)) view.waits = null;
  }
  const count = told.total && ON.includes(told.state) ? `, ${told.epochs.length} of ${told.total} epochs` : "";
  say(n.hint, `${told.state || ""}${count}`);
  if (n.box.open) drawTrainer(view);
}

function drawTrainer(view) {
  const n = view.nodes.trainer;
  const told = view.model.get("_training");
  const times = view.model.get("_latencies");
  const busy = [told, ...Object.values(times)].some((each) => ON.includes(each.state));
  const waits = TRAINERS.includes(view.waits);
  const nothing = !n.data.options.length;
  n.train.disabled = busy || waits || nothing;
  n.time.disabled = busy || waits;
  n.stop.disabled = !busy;
  const [text, state] = n.own || trainingWords(view, told);
  say(n.status, text || (nothing ? "There are no data to train on." : "Of the network on the sliders, from scratch."));
  set(n.status, "data-state", state || "");
  const { total, epochs } = told;
  hide(n.bar, !total || !(epochs.length || ON.includes(told.state)));
  if (total) drawProgress(n, told);
  hide(n.curve, !epochs || !epochs.length);
  if (epochs && epochs.length && (n.drawn !== epochs || n.width !== n.drawnAt)) drawCurve(n, epochs, total);
  say(n.latency, latencyWords(times[networkText(view)]));
}

function trainingWords(view, told) {
  const { state, name, network, message } = told;
  if (!state) return ["", ""];
  const added = state === "done" ? whereItIs(view, told) : "";
  return [`${state}, ${network || name}: ${message}${added}`, state];
}

// The plot that has the point of what was trained.
function whereItIs(view, { data, network }) {
  const there = view.evidence.points.some(({ kind, place }) => kind === "yours" && place === network);
  if (there) return " It is on the plot.";
  const source = view.model.get("_sources").find(([key]) => key === data && key !== view.model.get("data"));
  return source ? ` It belongs to the plot of ${source[1]}.` : "";
}

function drawProgress(n, { state, epochs, total }) {
  set(n.progress, "max", total);
  set(n.progress, "value", state === "preparing" && !epochs.length ? null : epochs.length);
  say(n.count, `${epochs.length} of ${total} epochs`);
}

function latencyWords(time) {
  if (!time) return "not measured here yet";
  const { state, message, median, low, high, threads } = time;
  if (!Number.isFinite(median)) return `${state}: ${message}`;
  const [middle, from, to] = [median, low, high].map((seconds) => exactly("latency", seconds));
  const many = `${whole(threads)} ${threads === 1 ? "thread" : "threads"}`;
  return `${middle} for one image (quartiles ${from} to ${to}; ${many})`;
}

// Accuracy over epochs. A running figure in training: of augmented images, by the weights as they were.
function drawCurve(n, epochs, total) {
  n.drawn = epochs;
  n.drawnAt = n.width;
  n.curve.replaceChildren();
  const last = Math.max(total || 1, epochs.at(-1).epoch);
  const known = epochs.flatMap((epoch) => LINES.map(([, field]) => epoch[field])).filter(Number.isFinite);
  if (!known.length) return;
  const least = Math.max(0, Math.floor(Math.min(...known) - 4));
  const most = Math.min(100, Math.ceil(Math.max(...known) + 4));
  const bottom = CURVE.height - CURVE.bottom;
  const x = scale([Math.min(1, last - 1), last], [CURVE.left + 8, n.width - CURVE.right], false);
  const y = scale([least, most], [bottom, CURVE.top], false);
  curveFrame(n.curve, { x, y, bottom, ends: [least, most], last, right: n.width - CURVE.right });
  const labels = LINES.map(([name, field, shape]) => {
    const there = epochs.filter((epoch) => Number.isFinite(epoch[field]));
    if (!there.length) return null;
    const places = there.map((epoch) => [x(epoch.epoch), y(epoch[field])]);
    curveLine(n.curve, name, places, shape);
    const [right, height] = places.at(-1);
    return { name, x: right + 9, y: height, text: `${name} ${there.at(-1)[field].toFixed(1)} %` };
  }).filter(Boolean);
  labelCurves(n.curve, labels, bottom);
  const words = labels.map(({ text }) => text).join(", ");
  set(n.curve, "aria-label", `accuracy over epochs, after epoch ${epochs.at(-1).epoch} of ${last}: ${words}`);
}

function curveFrame(svg, { x, y, bottom, ends, last, right }) {
  const grid = s(svg, "g", { class: "grid" });
  for (const tick of linearTicks(...ends, 2.4 * (bottom - CURVE.top))) {
    s(grid, "line", { x1: CURVE.left, x2: right, y1: y(tick), y2: y(tick) });
    s(grid, "text", { x: CURVE.left - 6, y: y(tick) + 4, "text-anchor": "end", class: "small" }, `${tick}`);
  }
  const ticks = linearTicks(1, Math.max(2, last), right - CURVE.left);
  for (const tick of ticks.filter((each) => Number.isInteger(each) && each <= last)) {
    s(grid, "line", { x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 4, class: "tick" });
    s(grid, "text", { x: x(tick), y: bottom + 16, "text-anchor": "middle", class: "small" }, `${tick}`);
  }
  s(svg, "text", { x: 2, y: 13, class: "small" }, "accuracy, %");
  const middle = (CURVE.left + right) / 2;
  s(svg, "text", { x: middle, y: CURVE.height - 5, "text-anchor": "middle", class: "small" }, "epochs");
}

function curveLine(svg, name, places, shape) {
  const told = places.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  s(svg, "path", { class: `curve ${name}`, d: `M${told.join("L")}` });
  const look = { class: `curve-mark ${name}`, d: SHAPES[shape](3) };
  if (told.length <= MOST_MARKS) for (const at of told) s(svg, "path", { ...look, transform: `translate(${at})` });
}

// Beside the ends of the lines, and never one on the other.
function labelCurves(svg, labels, bottom) {
  const [upper, lower] = [...labels].sort((a, b) => a.y - b.y);
  if (lower && lower.y - upper.y < CURVE.apart) {
    const middle = Math.min((upper.y + lower.y) / 2, bottom - CURVE.apart / 2);
    upper.y = middle - CURVE.apart / 2;
    lower.y = middle + CURVE.apart / 2;
  }
  for (const { name, x, y, text } of labels) s(svg, "text", { class: `curve-text ${name}`, x, y: y + 4 }, text);
}

function layoutTrainer(view) {
  const n = view.nodes.trainer;
  if (n && n.curve && n.box.open) n.width = Math.min(640, Math.max(300, n.body.clientWidth));
}

function hearTrainer(view, message) {
  const n = view.nodes.trainer;
  const mine = message.refused && TRAINERS.includes(message.do || view.waits);
  if (mine && n && n.status) tellTrainer(view, message.refused);
}

export const training = { build: buildTrainer, layout: layoutTrainer, update: updateTrainer, heard: hearTrainer };
