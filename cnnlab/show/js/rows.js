// The rows of the network's table, to edit. What an edit makes, Python says: it sends the lattice of the edited
// network. On the right stands what the sliders make of each row now.

import { comingEdits, edit, go, remember } from "./actions.js";
import { OWN_KEYS, button, choice, h, hide, say, section, set, whole } from "./dom.js";

const SWAPS = ["plain", "basic", "bottleneck", "mbconv", "fused_mbconv"];
const ODD = (x) => Number.isInteger(x) && x % 2 === 1 && x >= 1 && x <= 31;
const COUNTED = (x) => Number.isInteger(x) && x >= 1;
const FIELDS = {
  block: { title: "block" },
  depth: { title: "depth", say: "blocks", min: 1, step: 1, fits: COUNTED, rule: "a whole number, at least 1" },
  width: { title: "width", say: "channels", min: 1, step: 1, fits: COUNTED, rule: "a whole number, at least 1" },
  kernel: { title: "kernel", say: "px", min: 1, max: 31, step: 2, fits: ODD, rule: "an odd whole number from 1 to 31" },
  expand: {
    title: "expand", say: "times the channels inside", min: 0, max: 64, step: "any",
    fits: (x) => x >= 1 && x <= 64, rule: "a number from 1 to 64",
  },
  se: {
    title: "se", say: "squeeze-excite: its channels as a share", min: 0, max: 1, step: 0.05,
    fits: (x) => x >= 0 && x <= 1, rule: "a number from 0 (none) to 1",
  },
};
const APART = ["block", "depth"];
const NOW = ["blocks × channels", "map, px", "receptive field, px", "multiply-adds"];

function buildEditTable(view) {
  if (!view.shows("rows")) return;
  const part = section(view.nodes.homes.below, "rows", "The rows, to edit", true);
  const n = (view.nodes.edits = { ...part, lines: [], seen: new Map() });
  const fixed = Boolean(view.model.get("_static"));
  const bar = h(part.body, "div", { class: "cnnlab-bar" });
  const blocks = [["own", "each its own"], ...SWAPS.map((name) => [name, name]), ["", "mixed"]];
  n.all = choice(bar, "all-blocks", blocks, "block of all stages");
  n.all.lastChild.hidden = true;
  n.undo = button(bar, "undo-edits", "Undo edits", () => dropEdits(view), "Back to the family's own rows");
  if (fixed) h(bar, "small", {}, "Editing rows needs Python: in this saved page they are to be read.");
  const scroll = h(part.body, "div", { class: "cnnlab-scroll" });
  n.table = h(scroll, "table", { class: "cnnlab-rows-table" });
  editHeads(n);
  n.tbody = h(n.table, "tbody");
  n.alert = h(part.body, "p", { role: "alert", class: "cnnlab-alert", "data-readout": "refused" });
  n.all.disabled = fixed;
  n.fixed = fixed;
  n.all.addEventListener("change", () => {
    const numbers = view.lattice.rows.map((_, i) => i + 1);
    swapBlocks(view, numbers, n.all.value === "own" ? null : n.all.value);
  });
  part.box.addEventListener("toggle", () => view.schedule());
}

function editHeads(n) {
  const thead = h(n.table, "thead");
  const groups = h(thead, "tr");
  h(groups, "td");
  n.base = h(groups, "th", { scope: "colgroup", colspan: 6 }, "row of the network at depth × 1 and width × 1");
  h(groups, "th", { scope: "colgroup", colspan: NOW.length, class: "now" }, "on the sliders now");
  const heads = h(thead, "tr");
  h(heads, "th", { scope: "col", class: "name" }, "stage");
  n.heads = {};
  for (const [field, { title, say: meaning }] of Object.entries(FIELDS))
    n.heads[field] = h(heads, "th", { scope: "col", ...(meaning && { title: meaning }) }, title);
  NOW.forEach((title, i) => h(heads, "th", { scope: "col", class: i ? "now number" : "now first number" }, title));
}

// One line for the stem, each stage and the head; `i` is the stage's number.
function editLine(view, i) {
  const n = view.nodes.edits;
  const tr = h(n.tbody, "tr");
  const line = { tr, name: h(tr, "th", { scope: "row", class: "name" }), cells: {} };
  for (const field of Object.keys(FIELDS)) line.cells[field] = editCell(view, tr, field, i);
  line.now = NOW.map((_, k) => h(tr, "td", { class: k ? "now number" : "now first number" }));
  n.lines.push(line);
  return line;
}

function editCell(view, tr, field, i) {
  const td = h(tr, "td");
  const own = { ...OWN_KEYS, "data-control": `${i}.${field}`, "aria-label": `stage${i}, ${field}` };
  const box = h(td, "span", { class: "cnnlab-cell" });
  const { min, max, step } = FIELDS[field];
  const input = field === "block"
    ? h(box, "select", own)
    : h(box, "input", { ...own, type: "number", min, ...(max && { max }), step, inputmode: "decimal" });
  if (field === "block") for (const name of SWAPS) h(input, "option", { value: name }, name);
  input.disabled = view.nodes.edits.fixed;
  const commit = field === "block" ? () => chooseBlock(view, i, input.value) : () => commitEdit(view, i, field, input);
  input.addEventListener("change", commit);
  // Enter commits as well: JupyterLab's command mode keeps it from being a change.
  if (field !== "block") input.addEventListener("keydown", (event) => event.key === "Enter" && commit());
  const back = button(box, `back-${i}.${field}`, "↺", () => takeBack(view, i, field));
  const dash = h(td, "span", { class: "dash" }, "–");
  return { td, box, input, back, dash, extra: field === "block" ? h(input, "option", { hidden: "" }) : null };
}

// What Python made of a stage with each set of edits that was seen: so an edit can say what was there before it.
const editKey = (view, i, changes) =>
  [view.lattice.key, i, ...Object.entries(changes).map(([field, value]) => `${field}=${value}`).sort()].join("|");

function rememberRows(view) {
  const { edits, rows } = view.lattice;
  rows.forEach((row, k) => view.nodes.edits.seen.set(editKey(view, k + 1, edits[k + 1] || {}), row));
}

function rowWithout(view, i, ...fields) {
  const left = Object.entries(view.lattice.edits[i] || {}).filter(([field]) => !fields.includes(field));
  const seen = view.nodes.edits.seen.get(editKey(view, i, Object.fromEntries(left)));
  return seen || (left.length ? undefined : (view.lattice.own || [])[i - 1]) || {};
}

const familyRow = (view, i) => rowWithout(view, i, ...Object.keys(FIELDS));

// What a field would be without its edit. Options and width mean another thing in another block; depth does not.
const unedited = (view, i, field) => (APART.includes(field) ? familyRow(view, i) : rowWithout(view, i, field))[field];

// What the person does.

function commitEdit(view, i, field, input) {
  const n = view.nodes.edits;
  const typed = input.value.trim() === "" ? NaN : Number(input.value);
  const value = input.type === "checkbox" ? Number(input.checked) : typed;
  say(n.alert, "");
  if (!FIELDS[field].fits(value)) {
    say(n.alert, `stage${i}: ${field}=${input.value || "nothing"}: it must be ${FIELDS[field].rule}.`);
    holdValue(input, input.held, true);
    return;
  }
  edit(view, i, field, value === Number(unedited(view, i, field)) ? null : value);
}

const chooseBlock = (view, i, block) => swapBlocks(view, [i], SWAPS.includes(block) ? block : null);

// Another block has other options and means another thing by its width, so a swap leaves only an edited depth.
function swapBlocks(view, numbers, block) {
  say(view.nodes.edits.alert, "");
  remember(view);
  const gone = new RegExp(`^(${numbers.join("|")})\\.(?!depth=)`);
  const words = comingEdits(view).filter((word) => !gone.test(word));
  const other = numbers.filter((i) => block !== null && block !== familyRow(view, i).block);
  go(view, [view.lattice.key, ...words, ...other.map((i) => `${i}.block=${block}`)].join(","), null);
}

function takeBack(view, i, field) {
  say(view.nodes.edits.alert, "");
  const { cells } = view.nodes.edits.lines[i];
  cells[field].input.focus(); // the button goes
  if (field === "block") swapBlocks(view, [i], null);
  else edit(view, i, field, null);
}

function dropEdits(view) {
  say(view.nodes.edits.alert, "");
  remember(view);
  go(view, view.lattice.key, null);
}

// What Python made of it.

function rebuildEditTable(view, force = false) {
  const n = view.nodes.edits;
  if (!n) return;
  const { id, rows, stages, edits } = view.lattice;
  if (n.id !== id) say(n.alert, "");
  n.id = id;
  rememberRows(view);
  stages.forEach(({ name }, i) => fillLine(view, n.lines[i] || editLine(view, i), [name, i, rows[i - 1]], force));
  n.lines.forEach(({ tr }, i) => {
    hide(tr, i >= stages.length);
    if (i >= stages.length) set(tr, "data-stage", null);
  });
  fillColumns(n, rows);
  const blocks = new Set(rows.map((row) => row.block));
  const swapped = Object.values(edits).some((changes) => changes.block !== undefined);
  n.all.value = !swapped ? "own" : blocks.size === 1 ? rows[0].block : "";
  const count = Object.values(edits).reduce((sum, changes) => sum + Object.keys(changes).length, 0);
  n.undo.disabled = n.fixed || !count;
  say(n.hint, count ? `${count} ${count === 1 ? "edit" : "edits"}` : "the family's own");
}

// Options that no row has get no column.
function fillColumns(n, rows) {
  const there = Object.keys(FIELDS).filter((field) => rows.some((row) => row[field] !== undefined));
  for (const field of Object.keys(FIELDS)) {
    hide(n.heads[field], !there.includes(field));
    for (const { cells } of n.lines) hide(cells[field].td, !there.includes(field));
  }
  set(n.base, "colspan", there.length);
}

function fillLine(view, line, [name, i, row], force) {
  set(line.tr, "data-stage", name);
  say(line.name, name);
  for (const [field, cell] of Object.entries(line.cells)) {
    const there = row !== undefined && row[field] !== undefined;
    hide(cell.box, !there);
    hide(cell.dash, there);
    if (!there) cell.input.held = undefined;
    else if (field === "block") fillBlock(view, cell, i, row);
    else set(cell.input, "type", typeof row[field] === "boolean" ? "checkbox" : "number");
    if (there) holdValue(cell.input, row[field], force);
    markEdit(view, cell, i, field);
  }
}

// A block that is none of those that can be swapped in stands below them, as the way back.
function fillBlock(view, { extra }, i, row) {
  const own = SWAPS.includes(row.block) ? familyRow(view, i).block : row.block;
  const strange = own !== undefined && !SWAPS.includes(own);
  extra.hidden = !strange;
  if (strange) {
    extra.value = own;
    say(extra, own);
  }
}

// Only a new value is written, so that what is being typed stays.
function holdValue(input, value, force) {
  if (input.held === value && !force) return;
  input.held = value;
  if (input.type === "checkbox") input.checked = Boolean(value);
  else input.value = value;
}

function markEdit(view, { td, back }, i, field) {
  const edited = (view.lattice.edits[i] || {})[field] !== undefined;
  const before = edited ? unedited(view, i, field) : undefined;
  const was = before === undefined ? "edited" : `was ${before}`;
  td.classList.toggle("edited", edited);
  set(td, "title", edited ? was : null);
  set(back, "aria-label", edited ? `stage${i}, ${field}: take the edit back (${was})` : null);
  hide(back, !edited || view.nodes.edits.fixed);
}

function updateEditTable(view) {
  const n = view.nodes.edits;
  if (!n || !n.box.open) return;
  const pixels = view.lattice.resolution[view.at[2]];
  view.rows.forEach((row, i) => {
    const [blocks, size, field, share] = n.lines[i].now;
    say(blocks, `${row.blocks} × ${whole(row.channels)}`);
    say(size, `${row.size}`);
    say(field, row.field >= pixels ? "whole image" : whole(row.field));
    say(share, `${((100 * row.macs) / view.sum.macs).toFixed(1)} %`);
  });
}

function hearEdits(view, message) {
  const n = view.nodes.edits;
  if (!n || !message.refused || (message.do || view.waits || "go") !== "go") return;
  rebuildEditTable(view, true);
  say(n.alert, message.refused);
}

export const rows = { build: buildEditTable, rebuild: rebuildEditTable, update: updateEditTable, heard: hearEdits };
