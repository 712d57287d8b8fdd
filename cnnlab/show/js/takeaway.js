// Take it away: the network as PyTorch source, the view as a string, the numbers as CSV, the pictures as SVG and PNG.

import { ask, networkText, stateText } from "./actions.js";
import { KINDS } from "./costs.js";
import { OWN_KEYS, button, h, hide, say, section, whole } from "./dom.js";
import { pngOf, saveFile, standaloneSvg } from "./picture.js";
import { costOf } from "./points.js";

const UNITS_OF = { B: "_bytes", ms: "_seconds" };
const columnOf = (kind) => kind + (UNITS_OF[KINDS[kind].unit] || "");

function buildTakeaway(view) {
  if (!view.shows("takeaway")) return;
  const part = section(view.nodes.homes.below, "takeaway", "Take it away", true);
  const n = (view.nodes.takeaway = { ...part });
  const bar = h(part.body, "div", { class: "cnnlab-bar" });
  const named = (ending) => `${fileName(networkText(view))}${ending}`;
  for (const [name, text, action, title] of [
    ["source", "PyTorch source", () => takeSource(view), "A file with the network as an ordinary nn.Module"],
    ["copy", "Copy state", () => copyText(view, stateText(view)), "Explorer.from_state(...) restores this view"],
    ["csv", "CSV", () => save(view, named(".csv"), csvOf(view), "text/csv"), "What each stage costs, exactly"],
    ["csv-points", "CSV of points", () => savePoints(view), "The points on the plot: names, accuracies, costs"],
    ["svg", "SVG", () => saveSvg(view, named(".svg")), "Plot and network, for print"],
    ["png", "PNG", () => savePng(view, named(".png")), "Plot and network, for slides"],
  ]) button(bar, name, text, action, title);
  n.status = h(bar, "span", { role: "status", "data-readout": "taken" });
  const look = { readonly: "", hidden: "", spellcheck: "false" };
  n.text = h(part.body, "textarea", { ...OWN_KEYS, ...look, "aria-label": "to copy" });
}

const fileName = (text) => text.replace(/[^\w.=-]+/g, "_");

// Files.

function save(view, name, content, mime) {
  saveFile(view.nodes.root, name, content, mime);
  tellTaken(view, `saved as ${name}`);
}

function tellTaken(view, text) {
  say(view.nodes.takeaway.status, text);
}

function savePoints(view) {
  save(view, `points_${fileName(view.model.get("data"))}.csv`, pointsCsvOf(view), "text/csv");
}

const saveSvg = (view, name) => save(view, name, pictureOf(view).text, "image/svg+xml");

async function savePng(view, name) {
  try {
    save(view, name, await pngOf(pictureOf(view)));
  } catch (error) {
    tellTaken(view, `The picture could not be drawn (${error.message}); the SVG is the same picture.`);
  }
}

function pictureOf(view) {
  const { root, plot, net, legend } = view.nodes;
  const { macs, params } = view.sum;
  const remark = `${whole(macs)} multiply-adds, ${whole(params)} parameters`;
  return standaloneSvg({ root, parts: [plot, net], legend, title: networkText(view), remark });
}

// Source: Python writes it. A saved page says how.

function sourceLines(view) {
  const base = view.lattice.label.endsWith(", yours") ? ", base=architecture" : ""; // one of the user's own
  return [
    "import cnnlab as cl",
    `explorer = cl.Explorer.from_state("${stateText(view)}"${base})`,
    "print(explorer.architecture.graph().to_pytorch())",
  ].join("\n");
}

function takeSource(view) {
  if (!view.model.get("_static")) {
    tellTaken(view, "Python writes it …");
    view.waits = "source";
    ask(view, { do: "source" });
    return;
  }
  offerText(view, sourceLines(view));
  tellTaken(view, "These lines of Python write it.");
}

function offerText(view, text) {
  const { text: area } = view.nodes.takeaway;
  area.value = text;
  area.rows = text.split("\n").length;
  hide(area, false);
  area.focus();
  area.select();
}

// Not every page may use the clipboard: then the text is there, selected.
async function copyText(view, text) {
  try {
    await navigator.clipboard.writeText(text);
    hide(view.nodes.takeaway.text, true);
    tellTaken(view, "copied");
  } catch {
    offerText(view, text);
    tellTaken(view, "Selected: copy it with Ctrl+C (⌘C).");
  }
}

function hearTakeaway(view, message) {
  if (!view.nodes.takeaway) return;
  const mine = message.file || (message.refused && (message.do || view.waits) === "source");
  if (!mine) return;
  view.waits = null;
  if (message.file) save(view, message.file.name, message.file.text, message.file.mime);
  else tellTaken(view, message.refused);
}

// CSV.

function csvLine(cells) {
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return cells.map((cell) => quoted(`${cell ?? ""}`)).join(",");
}

// Every stage of the present network and their total, exactly. Memory and latency are known of the whole alone.
export function csvOf(view) {
  const kinds = Object.keys(KINDS).filter((kind) => Number.isFinite(view.sum[kind]));
  const head = ["stage", "blocks", "channels", "size_px", "field_px", ...kinds.map(columnOf)];
  const stages = view.rows.map((row) =>
    [row.name, row.blocks, row.channels, row.size, row.field, ...kinds.map((kind) => row[kind])]);
  const total = ["total", "", "", "", "", ...kinds.map((kind) => view.sum[kind])];
  return `${[head, ...stages, total].map(csvLine).join("\n")}\n`;
}

// The points on the plot.
export function pointsCsvOf(view) {
  const points = view.visible || view.evidence.points;
  const costs = Object.keys(KINDS).map((kind) => [kind, points.map((point) => costOf(view, point, kind))]);
  const known = costs.filter(([, column]) => column.some((cost) => cost !== null));
  const fields = ["name", "family", "group", "kind", "accuracy", "low", "high", "seeds"];
  const head = [...fields, ...known.map(([kind]) => columnOf(kind)), "place", "note"];
  const lines = points.map((point, i) =>
    [...fields.map((field) => point[field]), ...known.map(([, column]) => column[i]), point.place, point.note]);
  return `${[head, ...lines].map(csvLine).join("\n")}\n`;
}

export const takeaway = { build: buildTakeaway, heard: hearTakeaway };
