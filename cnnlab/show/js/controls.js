// What can be turned: family, axis, source of accuracy, the sliders, the compound coefficients. And the page's frame.

import { PHIS, compound, go, growth, move, moved, refresh, remember, reset, stateText, undo, values } from "./actions.js";
import { pin } from "./compare.js";
import { KINDS, KNOBS, rowsAt, same, totals } from "./costs.js";
import { OWN_KEYS, button, choice, h, hide, say, set, times, whole } from "./dom.js";

const GREEK = { alpha: ["α", "depth", 2], beta: ["β", "width", 1.6], gamma: ["γ", "resolution", 1.6] };
const LETTERS = Object.keys(GREEK);
const POWERS = [1, 2, 2]; // depth once, width and resolution squared
const PRODUCT = 2;

function build(view, root) {
  const n = view.nodes;
  const head = h(root, "div", { class: "cnnlab-head" });
  const body = h(root, "div", { class: "cnnlab-body" });
  const home = (name) => h(body, "div", { class: `cnnlab-${name}` });
  n.homes = { head };
  for (const name of ["side", "plot", "bars", "net", "map", "below"]) n.homes[name] = home(name);
  for (const [name, part] of [["plot", "plot"], ["bars", "bars"], ["net", "network"]]) hide(n.homes[name], !view.shows(part));
  buildHead(view, head);
  n.knobs = {};
  const side = h(n.homes.side, "div", { class: "cnnlab-knobs" });
  for (const name of [...KNOBS, "phi"]) n.knobs[name] = buildKnob(view, side, name);
  if (view.shows("coefficients")) buildCoefficients(view, n.homes.side);
}

function buildHead(view, head) {
  const n = view.nodes;
  const { model } = view;
  h(head, "strong", {}, "Explorer");
  n.family = choice(head, "family", model.get("_families"));
  n.data = choice(head, "data", model.get("_sources"), "accuracy");
  const kinds = Object.entries(KINDS).map(([kind, { label }]) => [kind, label]);
  n.against = choice(head, "x-axis", kinds.filter(([kind]) => kind !== "latency" || !model.get("_static")), "x axis");
  const log = h(head, "label", { class: "cnnlab-choice" });
  n.log = h(log, "input", { ...OWN_KEYS, type: "checkbox", "data-control": "logarithmic", "aria-label": "logarithmic x axis" });
  log.append(" log");
  n.state = h(head, "code", { "data-readout": "state", title: "Explorer.from_state(...) restores this view" });
  const buttons = h(head, "span", { class: "cnnlab-buttons" });
  n.undo = button(buttons, "undo", "Undo", () => undo(view), "Back to what was before the last change");
  button(buttons, "reset", "Reset", () => reset(view), "The family's own network");
  if (view.shows("compare")) button(buttons, "pin", "Pin", () => pin(view), "Keep this network, to compare others with it");
  n.family.addEventListener("change", () => {
    remember(view);
    go(view, n.family.value, null);
  });
  choose(view, n.data, "data");
  if (model.get("_static")) n.data.addEventListener("change", () => refresh(view));
  choose(view, n.against, "against");
  n.log.addEventListener("change", () => tell(view, "logarithmic", n.log.checked));
}

function tell(view, name, value) {
  view.model.set(name, value);
  view.model.save_changes();
  view.layout();
}

const choose = (view, node, name) => node.addEventListener("change", () => tell(view, name, node.value));

function buildKnob(view, side, name) {
  const box = h(side, "div", { class: "cnnlab-knob" });
  hide(box, !view.shows(name));
  const label = h(box, "label", {});
  h(label, "span", {}, name === "phi" ? "compound φ" : name);
  const output = h(label, "output", { "data-output": name });
  const input = h(label, "input", {
    ...OWN_KEYS, type: "range", min: 0, max: 1, step: 1, "data-slider": name,
    "aria-label": name === "phi" ? "compound phi" : name,
  });
  const at = KNOBS.indexOf(name);
  input.addEventListener("input", () => {
    if (!view.turning) remember(view);
    view.turning = true;
    if (at >= 0) return move(view, at, Number(input.value));
    view.at = compound(view, PHIS[Number(input.value)]);
    return moved(view);
  });
  input.addEventListener("change", () => { view.turning = false; });
  return { input, output, hint: h(box, "small", { "data-hint": name }) };
}

function buildCoefficients(view, side) {
  const n = view.nodes;
  const box = h(side, "details", { class: "cnnlab-greek", "data-section": "coefficients" });
  n.product = h(box, "summary", { ...OWN_KEYS, "data-readout": "product" });
  n.greek = LETTERS.map((name, i) => {
    const [letter, knob, most] = GREEK[name];
    const label = h(box, "label", {});
    h(label, "span", {}, `${letter} (${knob})`);
    const input = h(label, "input", {
      ...OWN_KEYS, type: "range", min: 1, max: most, step: 0.01, "data-slider": name, "aria-label": `${name}, of ${knob}`,
    });
    input.addEventListener("input", () => turnCoefficient(view, i, Number(input.value)));
    return { input, output: h(label, "output", { "data-output": name }) };
  });
  const lock = h(box, "label", { class: "cnnlab-lock" });
  n.lock = h(lock, "input", { ...OWN_KEYS, type: "checkbox", checked: "", "data-control": "keep-product" });
  lock.append(" keep α·β²·γ² near 2");
}

// One coefficient moves; the others give way, in proportion to their logarithms, so that the product stays near 2.
export function balanced(coefficients, moving, value) {
  const logs = coefficients.map((c, i) => (i === moving ? Math.log(value) : Math.log(c)));
  const others = [0, 1, 2].filter((i) => i !== moving);
  const left = Math.max(0, Math.log(PRODUCT) - POWERS[moving] * logs[moving]);
  const now = others.reduce((sum, i) => sum + POWERS[i] * logs[i], 0);
  for (const i of others) logs[i] = now > 1e-9 ? (logs[i] * left) / now : left / others.reduce((sum, j) => sum + POWERS[j], 0);
  const most = LETTERS.map((name) => GREEK[name][2]);
  return logs.map((log, i) => Number(Math.min(most[i], Math.max(1, Math.exp(log))).toFixed(2)));
}

function turnCoefficient(view, i, value) {
  remember(view);
  const most = Math.floor(100 * PRODUCT ** (1 / POWERS[i])) / 100; // or the others would have to shrink the network
  const alone = view.coefficients.map((c, k) => (k === i ? value : c));
  view.coefficients = view.nodes.lock.checked ? balanced(view.coefficients, i, Math.min(value, most)) : alone;
  const phi = Number(view.nodes.knobs.phi.input.value);
  view.at = compound(view, PHIS[phi]);
  view.layout();
  moved(view);
}

function rebuild(view) {
  const { lattice, nodes: n } = view;
  if (![...n.family.options].some((option) => option.value === lattice.key))
    h(n.family, "option", { value: lattice.key }, lattice.label);
  n.family.value = lattice.key;
  for (const name of KNOBS) n.knobs[name].input.max = lattice[name].length - 1;
  n.knobs.phi.input.max = PHIS.length - 1;
  view.baseSum = totals(lattice, lattice.base, rowsAt(lattice, lattice.base));
}

function layout(view) {
  const { model, nodes: n } = view;
  n.against.value = view.against;
  n.data.value = model.get("data");
  n.log.checked = model.get("logarithmic");
}

function update(view) {
  const { lattice, nodes: n, at, rows, sum } = view;
  const [d, w, r] = values(view);
  const last = rows[rows.length - 2];
  const blocks = rows.slice(1, -1).reduce((all, row) => all + row.blocks, 0);
  const phi = PHIS.findIndex((each) => same(compound(view, each), at));
  const exactly = times(sum.macs / view.baseSum.macs);
  const product = growth(view.coefficients);
  const formula = `α·β²·γ² = ${product.toFixed(2)}; formula: cost ${times(product ** PHIS[Math.max(phi, 0)])}; here, exactly: ${exactly}`;
  turn(n.knobs.depth, at[0], `× ${d}`, `${blocks} ${lattice.block} blocks`.replace("  ", " "));
  turn(n.knobs.width, at[1], `× ${w}`, `stem ${whole(rows[0].channels)}, last stage ${whole(last.channels)}`);
  turn(n.knobs.resolution, at[2], `${r} px`, `stride ${lattice.stride}: ${last.size} × ${last.size} at the end`);
  const off = `off the compound path; cost ${exactly} of the base`;
  turn(n.knobs.phi, phi < 0 ? null : phi, phi < 0 ? "–" : PHIS[phi].toFixed(1), phi < 0 ? off : formula);
  say(n.state, stateText(view));
  set(n.undo, "disabled", view.past.length ? null : "");
  if (n.greek) updateCoefficients(view, product);
}

function updateCoefficients({ nodes: n, coefficients }, product) {
  const words = LETTERS.map((name, i) => `${GREEK[name][0]} ${coefficients[i]}`).join(", ");
  say(n.product, `${words}: α·β²·γ² = ${product.toFixed(2)}`);
  n.greek.forEach(({ input, output }, i) => {
    if (Number(input.value) !== coefficients[i]) input.value = coefficients[i];
    say(output, coefficients[i].toFixed(2));
  });
}

function turn({ input, output, hint }, position, text, note) {
  if (position !== null && input.value !== String(position)) input.value = position;
  say(output, text);
  say(hint, note);
  set(input, "aria-valuetext", `${text === "–" ? "" : `${text}, `}${note}`);
}

export const controls = { build, rebuild, layout, update };
