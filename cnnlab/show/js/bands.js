// The predictor's band: what a network of a measured family would reach, where it was measured densely enough
// (bands.py). Three runs of numbers, hundredths of a percent: the median, and the ends of the 95 % interval.

import { KNOBS } from "./costs.js";

// The prediction at a position of the sliders (that of now if none is given), or null.
export function bandAt(view, at = view.at) {
  const band = view.model.get("_bands")[`${view.model.get("data")}|${view.lattice.key}`];
  if (!band || !band.numbers || view.lattice.id !== view.lattice.key) return null; // {}: nothing can be predicted
  const inside = KNOBS.map((name, i) => at[i] - band[name][0]);
  const lengths = KNOBS.map((name) => band[name][1] - band[name][0] + 1);
  if (inside.some((x, i) => x < 0 || x >= lengths[i])) return null;
  const numbers = decoded(band);
  const place = (inside[0] * lengths[1] + inside[1]) * lengths[2] + inside[2];
  const [median, low, high] = [0, 1, 2].map((run) => numbers[(run * numbers.length) / 3 + place] / 100);
  return { median, low, high, error: band.error, noise: band.noise };
}

const cache = new WeakMap();

function decoded(band) {
  if (!cache.has(band)) {
    const bytes = band.numbers;
    const view = ArrayBuffer.isView(bytes) ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : bytes;
    cache.set(band, new Uint16Array(view));
  }
  return cache.get(band);
}
