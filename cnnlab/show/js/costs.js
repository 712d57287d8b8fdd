// The lattice: products and sums of the numbers that Python computed (lattice.py). No rounding rule and no cost formula
// of a layer stands here; what stage, block, piece and term are is told in lattice.py and footprint.py.

import { short, whole } from "./dom.js";

export const KNOBS = ["depth", "width", "resolution"];
export const COUNTS = ["macs", "params", "activations"];

const BYTES = 4;

// What the x axis can be. scale: of a number of this kind in the unit that it is told with.
export const KINDS = {
  macs: { label: "multiply-adds", title: "multiply-adds for one image" },
  fvcore: { label: "multiply-adds, fvcore's count", title: "multiply-adds as fvcore counts them" },
  torchinfo: { label: "multiply-adds, torchinfo's count", title: "multiply-adds as torchinfo counts them" },
  ptflops: { label: "multiply-adds, ptflops' count", title: "multiply-adds as ptflops counts them" },
  thop: { label: "multiply-adds, thop's count", title: "multiply-adds as thop counts them" },
  params: { label: "parameters", title: "parameters" },
  activations: { label: "activations", title: "activations for one image" },
  inference: { label: "memory, inference", title: "memory to evaluate one image (bytes)", unit: "B" },
  training: { label: "memory, training", title: "memory of a training step on 32 images (bytes)", unit: "B" },
  latency: { label: "latency, measured", title: "latency of one image on this machine (ms)", unit: "ms" },
};

// A cost of a kind, in full and in short.
export function exactly(kind, n) {
  if (kind === "latency") return `${Number((n * 1e3).toPrecision(3))} ms`;
  return KINDS[kind].unit ? `${whole(n)} B` : whole(n);
}

export function inShort(kind, n, digits) {
  if (kind === "latency") return `${Number((n * 1e3).toPrecision(3))} ms`;
  const text = short(n, digits);
  return KINDS[kind].unit ? `${text}${/\d$/.test(text) ? " " : ""}B` : text;
}

// A lattice as Python sent it, with its numbers as an array.
export function decode(sent) {
  const bytes = sent.numbers;
  const buffer = ArrayBuffer.isView(bytes)
    ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
    : bytes;
  return { ...sent, numbers: new Float64Array(buffer) };
}

function sumOf(numbers, terms, w, r) {
  let sum = 0;
  for (const [a, b] of terms) sum += numbers[a + w] * numbers[b + r];
  return sum;
}

const ofBlock = (numbers, block, kind, w, r) => (block[kind] ? sumOf(numbers, block[kind], w, r) : 0);

// Every stage at this position.
export function rowsAt(lattice, [d, w, r]) {
  const { numbers } = lattice;
  const kinds = lattice.kinds.filter((kind) => kind !== "inference" && kind !== "training");
  let [seen, step] = [1, 1];
  return lattice.stages.map((stage) => {
    const blocks = numbers[stage.depths + d];
    const [first, second] = stage.blocks;
    const shown = first.layers[stage.shown];
    const size = Math.max(1, numbers[shown.size + r]);
    const row = { name: stage.name, smaller: stage.smaller, blocks, channels: numbers[shown.channels + w], size };
    for (const kind of kinds) {
      row[kind] = ofBlock(numbers, first, kind, w, r);
      if (blocks > 1) row[kind] += (blocks - 1) * ofBlock(numbers, second, kind, w, r);
    }
    // The receptive field: what a block sees of its input, in pixels of the image.
    seen += first.reach * step;
    step *= first.stride;
    if (blocks > 1) seen += (blocks - 1) * second.reach * step;
    return { ...row, field: seen };
  });
}

// The whole network's costs, of every kind that the lattice tells.
export function totals(lattice, at, rows) {
  const sum = {};
  for (const kind of lattice.kinds) sum[kind] = 0;
  for (const row of rows) for (const kind in sum) if (row[kind] !== undefined) sum[kind] += row[kind];
  if (lattice.kinds.includes("inference")) Object.assign(sum, memory(lattice, at, rows, sum.params));
  return sum;
}

function memory(lattice, [, w, r], rows, params) {
  const { numbers } = lattice;
  let [peak, saved, buffers] = [0, 0, 0];
  lattice.stages.forEach((stage, i) => {
    for (const [place, count] of uses(rows[i].blocks)) {
      const piece = stage.pieces[place];
      for (const terms of piece.peaks) peak = Math.max(peak, sumOf(numbers, terms, w, r));
      saved += count * sumOf(numbers, piece.saved, w, r);
      buffers += count * sumOf(numbers, piece.buffers, w, r);
    }
  });
  const image = BYTES * lattice.channels * lattice.resolution[r] ** 2;
  // Training holds weights, gradients and momentum.
  return { inference: BYTES * params + buffers + image + peak, training: 3 * BYTES * params + buffers + saved };
}

function uses(blocks) {
  if (blocks === 1) return [["only", 1]];
  return blocks === 2 ? [["first", 1], ["last", 1]] : [["first", 1], ["last", 1], ["middle", blocks - 2]];
}

// Every layer at this position: blocks that repeat are told once, with how often they occur.
export function layersAt(lattice, [d, w, r]) {
  const { numbers } = lattice;
  const found = [];
  for (const stage of lattice.stages) {
    const blocks = numbers[stage.depths + d];
    stage.blocks.forEach((block, k) => {
      const count = k ? blocks - 1 : 1;
      if (!count) return;
      const path = stage.blocks.length < 2 ? stage.name : `${stage.name}.${k ? repeated(blocks) : 0}`;
      for (const layer of block.layers) {
        if (layer.there !== undefined && !numbers[layer.there + w]) continue; // a shortcut that this width lacks
        const row = {
          stage: stage.name, name: `${path}.${layer.name}`, operation: layer.operation, role: layer.role, count,
          channels: numbers[layer.channels + w], size: numbers[layer.size + r],
        };
        for (const kind of COUNTS) row[kind] = layer[kind] ? count * sumOf(numbers, layer[kind], w, r) : 0;
        found.push(row);
      }
    });
  }
  return found;
}

const repeated = (blocks) => (blocks > 2 ? `1–${blocks - 1}` : "1");

// The multiply-adds, parameters and activations of each role, in the order in which roles are told.
const ROLES = ["stem", "spatial", "depthwise", "pointwise", "squeeze-excite", "shortcut", "head"];

export function rolesAt(layers) {
  const found = ROLES.map((name) => ({ name, macs: 0, params: 0, activations: 0 }));
  for (const layer of layers) {
    const row = found[ROLES.indexOf(layer.role)];
    for (const kind of COUNTS) row[kind] += layer[kind];
  }
  return found.filter((row) => row.macs || row.params);
}

export const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

export const nearest = (steps, value) =>
  steps.reduce((best, x, i) => (Math.abs(x - value) < Math.abs(steps[best] - value) ? i : best), 0);
