// The Explorer's front end. Each view is a file with up to four functions: build (its nodes, once), rebuild (another
// network), layout (other room, points or axis) and update (every step, at most once a frame: attributes and texts of
// nodes that exist). They share `view`: the model, the lattice, where the sliders are, and what follows from that.

import { adopt, ahead, learn, networkText, pulled, refused, values } from "./actions.js";
import { bars } from "./bars.js";
import { compare } from "./compare.js";
import { controls } from "./controls.js";
import { KINDS, decode, layersAt, rowsAt, totals } from "./costs.js";
import { OWN_KEYS, h, say, whole } from "./dom.js";
import { layers } from "./layers.js";
import { network } from "./network.js";
import { plane } from "./plane.js";
import { readouts } from "./readouts.js";
import { rows } from "./rows.js";
import { takeaway } from "./takeaway.js";
import { tradeoff } from "./tradeoff.js";
import { training } from "./training.js";

const VIEWS = [controls, tradeoff, readouts, bars, network, plane, rows, layers, compare, training, takeaway];
const SPEAK_MS = 500;

function update(view) {
  view.rows = rowsAt(view.lattice, view.at);
  view.layers = layersAt(view.lattice, view.at);
  view.sum = totals(view.lattice, view.at, view.rows);
  const latency = view.model.get("_latencies")[networkText(view)];
  if (latency && latency.median) view.sum.latency = latency.median;
  for (const each of VIEWS) if (each.update) each.update(view);
  clearTimeout(view.speaking);
  view.speaking = setTimeout(() => say(view.nodes.live, summary(view)), SPEAK_MS);
}

function summary(view) {
  const [d, w, r] = values(view);
  const { macs, params } = view.sum;
  return `${view.lattice.id}, depth ${d}, width ${w}, ${r} px: ${whole(macs)} MACs, ${whole(params)} params`;
}

// Hover and focus: a stage lights up in every view.
function point(view, target) {
  const group = target && target.closest("[data-stage]");
  const stage = group ? group.getAttribute("data-stage") : null;
  if (stage === view.stage) return;
  view.stage = stage;
  const { root } = view.nodes;
  root.classList.toggle("has-stage", Boolean(stage));
  for (const node of root.querySelectorAll(".on[data-stage]")) node.classList.remove("on");
  if (stage) for (const node of root.querySelectorAll(`[data-stage="${stage}"]`)) node.classList.add("on");
  for (const each of VIEWS) if (each.point) each.point(view);
}

function listen(view) {
  const { root } = view.nodes;
  for (const event of ["pointerover", "focusin"]) root.addEventListener(event, (e) => point(view, e.target));
  for (const event of ["pointerout", "focusout"]) root.addEventListener(event, () => point(view, null));
}

// What Python does: traits that change there move the picture here.
function follow(view) {
  const { model } = view;
  const pull = () => {
    if (ahead(view)) return;
    view.at = pulled(view);
    view.coefficients = [...model.get("coefficients")];
    view.schedule();
  };
  const bindings = [
    ...["depth", "width", "resolution", "coefficients", "_taken"].map((name) => [`change:${name}`, pull]),
    ["change:_lattice", () => adopt(view, model.get("_lattice"))],
    ...["_evidence", "_costs", "_bands", "_latencies", "against", "data", "budgets", "logarithmic", "pins"].map((name) => [
      `change:${name}`,
      () => view.layout(),
    ]),
    ["change:_training", () => view.schedule()],
    ["msg:custom", view.hear],
  ];
  for (const [name, callback] of bindings) model.on(name, callback);
  const observer = new ResizeObserver(() => view.layout());
  observer.observe(view.nodes.root);
  return () => {
    observer.disconnect();
    for (const [name, callback] of bindings) model.off(name, callback);
    clearTimeout(view.syncing);
    clearTimeout(view.speaking);
    cancelAnimationFrame(view.frame);
  };
}

function heard(view, message) {
  if (message.unavailable === "go" || (message.refused && message.do === "go")) refused(view, message.id);
  for (const each of VIEWS) if (each.heard) each.heard(view, message);
}

function skeleton(view) {
  const hidden = new Set(view.model.get("hidden"));
  const large = view.model.get("projector") ? " projector" : "";
  const root = h(view.el, "div", { class: `cnnlab${large}`, role: "region", "aria-label": "Explorer", ...OWN_KEYS });
  view.nodes = { root };
  view.shows = (part) => !hidden.has(part);
  for (const each of VIEWS) each.build(view, root);
  view.nodes.live = h(root, "div", { class: "cnnlab-live", "aria-live": "polite", "data-readout": "live" });
}

function render({ model, el }) {
  const view = {
    model, el, past: [], known: new Map(),
    name: Math.random().toString(36).slice(2), count: 0, // of the messages that it sends
    lattice: decode(model.get("_lattice")), coefficients: [...model.get("coefficients")],
  };
  view.hear = (message) => heard(view, message);
  view.at = pulled(view);
  learn(view, model.get("_lattice"));
  view.draw = () => {
    view.frame = 0;
    if (view.stale) for (const each of VIEWS) if (each.layout) each.layout(view);
    view.stale = false;
    update(view);
  };
  // One update, at most once a frame.
  view.schedule = () => {
    view.frame ||= requestAnimationFrame(view.draw);
  };
  view.layout = () => {
    view.against = KINDS[model.get("against")] ? model.get("against") : "macs";
    view.evidence = model.get("_evidence");
    view.stale = true;
    view.schedule();
  };
  view.rebuild = () => {
    for (const each of VIEWS) if (each.rebuild) each.rebuild(view);
    view.layout();
  };
  skeleton(view);
  view.rebuild();
  view.draw();
  listen(view);
  return follow(view);
}

export default { render };
