// Axes: ticks, and the scale from a number to a place on the plot.

export function linearTicks(least, most, pixels = 600) {
  const rough = (most - least) / Math.max(2, Math.min(11, pixels / 60));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((x) => x >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(least / step - 1e-9); k * step <= most * (1 + 1e-9); k++) ticks.push(Number((k * step).toPrecision(6)));
  return ticks;
}

const TICK = 50; // px between two of them, for "500 M"

export function logTicks(least, most, pixels) {
  const decade = pixels / Math.log10(most / least);
  const marks = decade > TICK / 0.301 ? [1, 2, 5] : decade > TICK / 0.477 ? [1, 3] : [1];
  const step = Math.ceil(TICK / decade);
  const ticks = [];
  for (let e = Math.ceil(Math.log10(least) / step - 1) * step; e <= Math.log10(most); e += step)
    for (const m of marks) if (m * 10 ** e >= least && m * 10 ** e <= most) ticks.push(Number(`${m}e${e}`));
  return ticks;
}

// From a number between `least` and `most` to a place between `from` and `to`.
export function scale([least, most], [from, to], logarithmic) {
  const f = logarithmic ? Math.log10 : (x) => x;
  const [a, b] = [f(least), f(most)];
  return (x) => from + ((f(x) - a) / (b - a)) * (to - from);
}

// The ends of an axis of costs, with some air.
export function costDomain(costs, logarithmic) {
  const known = costs.filter((cost) => cost > 0);
  if (!known.length) return logarithmic ? [1e6, 1e9] : [0, 1e9];
  const [least, most] = [Math.min(...known), Math.max(...known)];
  if (!logarithmic) return [0, most * 1.06];
  const air = most / least < 30 ? Math.max(1.25, Math.sqrt(30 / (most / least))) : 1.25;
  return [least / air, most * air];
}

// The ends of the accuracy axis; of many points the worst few are left to stand at its foot, one's own never.
export function accuracyRange(points) {
  const values = points.flatMap((p) => (p.low === null ? [p.accuracy] : [p.low, p.high])).sort((a, b) => a - b);
  if (!values.length) return [0, 100];
  const most = values[values.length - 1];
  const own = points.filter((p) => p.kind === "yours").map((p) => p.accuracy);
  const least = Math.min(values[values.length >= 40 ? Math.floor(0.05 * (values.length - 1)) : 0], ...own);
  const air = Math.max(1, 0.05 * (most - least), (10 - (most - least)) / 2); // at least ten points of accuracy
  return [Math.max(0, Math.floor(least - air)), Math.min(100.5, most + 1.2 * air)];
}
