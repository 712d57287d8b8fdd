// What a person does to the network on the sliders, and how Python hears of it. While you drag, nothing waits for Python;
// another family or an edited row is another lattice, which Python sends (a saved page has those of all families).

import { KNOBS, decode, nearest, same } from "./costs.js";

const SYNC_MS = 100;
const MOST_UNDO = 200;
const USUAL = [1.2, 1.1, 1.15]; // alpha, beta, gamma of Tan and Le 2019
export const PHIS = Array.from({ length: 15 }, (_, i) => i / 2);

export const values = (view) => KNOBS.map((name, i) => view.lattice[name][view.at[i]]);
export const editWords = (view) => view.lattice.id.split(",").slice(1);

// The edits once Python has answered what it was asked last.
export const comingEdits = (view) => (view.wanted ? view.wanted.id : view.lattice.id).split(",").slice(1);

// The view as a string that Explorer.from_state takes.
export function stateText(view) {
  const [d, w, r] = values(view);
  const unusual = ["a", "b", "g"].map((letter, i) => [letter, view.coefficients[i], USUAL[i]]);
  const words = unusual.filter(([, value, usual]) => value !== usual).map(([letter, value]) => `${letter}=${value}`);
  return [view.lattice.key, `d=${d}`, `w=${w}`, `r=${r}`, ...words, ...editWords(view)].join(",");
}

// The network alone, whatever the compound coefficients: what trained points and latencies are known by.
export function networkText(view) {
  const [d, w, r] = values(view);
  return [view.lattice.key, `d=${d}`, `w=${w}`, `r=${r}`, ...editWords(view)].join(",");
}

// Where the compound coefficient leads on the sliders.
export function compound(view, phi) {
  const { lattice, coefficients } = view;
  const base = KNOBS.map((name, i) => lattice[name][lattice.base[i]]);
  return KNOBS.map((name, i) => nearest(lattice[name], Number((base[i] * coefficients[i] ** phi).toFixed(6))));
}

export const growth = ([alpha, beta, gamma]) => alpha * beta ** 2 * gamma ** 2;

// Sliders.

export function move(view, knob, position) {
  view.at[knob] = position;
  moved(view);
}

export function moved(view) {
  view.schedule();
  if (!view.syncing) view.syncing = setTimeout(() => send(view), SYNC_MS);
}

// Tell Python, but never more often than it can matter, and not before the step is on the screen: JupyterLab draws its
// own signs of a busy kernel.
function send(view) {
  clearTimeout(view.syncing);
  // Python takes a slider's place for one of the network that it has, so its answer comes first.
  view.syncing = view.wanted ? setTimeout(() => send(view), SYNC_MS) : 0;
  if (view.wanted) return;
  const [depth, width, resolution] = values(view);
  const settings = { depth, width, resolution, coefficients: [...view.coefficients] };
  // As a message, so that it stays behind an earlier one and before a later one; traits may overtake them.
  if (view.model.get("_static")) view.model.set(settings);
  else {
    view.sent = `${view.name}.${++view.count}`;
    ask(view, { do: "set", id: view.lattice.id, as: view.sent, ...settings });
  }
}

// A message to Python. Where there is none any more, as after a restart of the kernel, the page goes on by itself.
export function ask(view, message) {
  try {
    view.model.send(message);
  } catch {
    view.sent = null;
    view.hear({ do: message.do, id: message.id, refused: "Python has ended: to go on with it, run the cell again." });
  }
}

// Whether Python's sliders are not yet what this page has told, or is about to tell.
export const ahead = (view) => Boolean(view.wanted || view.syncing || (view.sent && view.model.get("_taken") !== view.sent));

// A step that Undo takes back: what was there before it.
const snapshot = (view) => ({ id: view.lattice.id, settings: values(view), coefficients: [...view.coefficients] });
const alike = (a, b) => a && a.id === b.id && same(a.settings, b.settings) && same(a.coefficients, b.coefficients);

export function remember(view) {
  const now = snapshot(view);
  if (alike(view.past[view.past.length - 1], now)) return;
  view.past.push(now);
  if (view.past.length > MOST_UNDO) view.past.shift();
}

export function undo(view) {
  const now = snapshot(view);
  let before = view.past.pop();
  // What Python was asked for and has not answered is taken back as well: then `before` is what is still to be seen.
  while (!view.wanted && alike(before, now)) before = view.past.pop();
  if (!before) return;
  view.coefficients = before.coefficients;
  go(view, before.id, before.settings);
}

export function reset(view) {
  remember(view);
  view.coefficients = [...USUAL];
  go(view, view.lattice.key, "base");
}

// To another network. id: a family and its edits, "resnet,3.kernel=5". settings: depth, width and resolution, or "base"
// for the network's own, or null to keep those of now, as far as the other network has them.
export function go(view, id, settings) {
  if (id === view.lattice.id && !view.wanted) {
    view.at = positions(view.lattice, settings, values(view));
    moved(view);
    return;
  }
  const known = view.known.get(knownAs(view, id));
  const shown = Boolean(known) && (known.kinds.includes(view.against) || view.against === "latency");
  view.wanted = { id, settings, shown };
  ask(view, { do: "go", id });
  if (shown) show(view, known, settings);
}

// A lattice that Python has sent before need not be waited for. That of a measured family depends on the data.
const knownAs = (view, id) => `${view.model.get("data")}|${id}`;

export const learn = (view, sent) => view.known.set(knownAs(view, sent.id), sent);

function show(view, sent, settings) {
  const now = values(view);
  view.lattice = decode(sent);
  view.at = positions(view.lattice, settings, now);
  view.rebuild();
  moved(view);
}

// To the network of a state such as "efficientnet,d=1.4,w=1.2,r=300".
export function goTo(view, state) {
  const [key, ...parts] = state.split(",");
  const edits = parts.filter((part) => /^\d/.test(part));
  const setting = (letter) => Number((parts.find((part) => part.startsWith(`${letter}=`)) || "").slice(2));
  remember(view);
  go(view, [key, ...edits].join(","), ["d", "w", "r"].map(setting));
}

// The same network as the other data have it: of a measured family they set the number of classes. Python sends that by
// itself; a saved page has to be asked.
export function refresh(view) {
  view.wanted = { id: view.lattice.id, settings: null };
  ask(view, { do: "go", id: view.lattice.id });
}

// The same network with one more row edited; null takes the edit back.
export function edit(view, stage, field, value) {
  remember(view);
  const words = comingEdits(view).filter((word) => !word.startsWith(`${stage}.${field}=`));
  if (value !== null) words.push(`${stage}.${field}=${value}`);
  go(view, [view.lattice.key, ...words].join(","), null);
}

// Python answered: the lattice is that of another network, or of the same with more kinds of cost. Where a later answer
// is still to come, this one is passed over.
export function adopt(view, sent) {
  const { wanted } = view;
  const asked = wanted && wanted.id === sent.asked;
  learn(view, sent);
  if (wanted && !asked) return;
  view.wanted = null;
  const before = view.lattice;
  if (asked && !wanted.shown) return show(view, sent, wanted.settings);
  if (before.id === sent.id && same(before.kinds, sent.kinds) && before.classes === sent.classes) return;
  view.lattice = decode(sent);
  if (before.id !== sent.id) view.at = pulled(view);
  view.rebuild();
}

// Python refused what was asked: back to what it has, unless something else was asked since.
export function refused(view, id) {
  if (view.wanted && id !== undefined && view.wanted.id !== id) return;
  view.wanted = null;
  adopt(view, view.model.get("_lattice"));
  view.rebuild(); // the menus as well
}

function positions(lattice, settings, now) {
  if (settings === "base") return [...lattice.base];
  return KNOBS.map((name, i) => {
    const place = lattice[name].indexOf((settings || now)[i]);
    return place < 0 ? lattice.base[i] : place;
  });
}

// The sliders as Python has them.
export const pulled = (view) => KNOBS.map((name) => nearest(view.lattice[name], view.model.get(name)));
