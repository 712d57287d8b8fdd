// A picture that stands alone: the SVG nodes of the page with all that its style sheet says written into them.

import { h, s } from "./dom.js";

const KEPT = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin", "opacity",
  "paint-order", "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "text-anchor",
];
const NOT_INHERITED = ["opacity"];
const GONE = /^(class|style|tabindex|role|aria-.*|data-.*|id|hidden|visibility)$/;
const AIR = { edge: 16, title: 44, legend: 22, between: 14 };
const LETTER = 6.6; // px, of a legend's text

// A colour as every program knows it, and how opaque it is: color-mix() and rgb(r g b / a) are known to browsers only.
export function plainColour(text) {
  const found = text.match(/[\d.]+(e-?\d+)?%?/g) || [];
  const numbers = found.map((each) => parseFloat(each) / (each.endsWith("%") ? 100 : 1));
  if (text.startsWith("color(srgb ")) return rgbOf(numbers.slice(0, 3).map((x) => Math.round(255 * x)), numbers[3]);
  if (/^rgba?\(/.test(text)) return rgbOf(numbers.slice(0, 3).map(Math.round), numbers[3]);
  return [text, 1];
}

const rgbOf = (three, opacity = 1) => [`rgb(${three.join(",")})`, opacity];

function stylesOf(node) {
  const computed = getComputedStyle(node);
  const styles = Object.fromEntries(KEPT.map((name) => [name, computed.getPropertyValue(name)]));
  for (const paint of ["fill", "stroke"]) {
    const [colour, opacity] = plainColour(styles[paint]);
    styles[paint] = colour;
    const both = opacity * Number(styles[`${paint}-opacity`]);
    styles[`${paint}-opacity`] = `${Number(both.toFixed(3))}`;
  }
  return { styles, seen: computed.visibility !== "hidden" && computed.display !== "none" };
}

// A copy of a node, with what differs from its parent's style as attributes; null for what is not seen.
function standalone(node, above) {
  const { styles, seen } = stylesOf(node);
  if (!seen) return null;
  const copy = node.cloneNode(false);
  for (const name of copy.getAttributeNames()) if (GONE.test(name)) copy.removeAttribute(name);
  for (const [name, value] of Object.entries(styles)) {
    const before = NOT_INHERITED.includes(name) ? "1" : above[name];
    if (value && value !== before) copy.setAttribute(name, value);
    else copy.removeAttribute(name);
  }
  for (const child of node.childNodes) {
    const inside = child.nodeType === Node.ELEMENT_NODE ? standalone(child, styles) : child.cloneNode();
    if (inside) copy.append(inside);
  }
  return copy;
}

// What the legend shows, line by line as far as the picture is wide: marks with their names, and remarks.
function addLegend(picture, legend, { y, width, ink }) {
  let [x, line] = [AIR.edge, y];
  const entries = [...legend.querySelectorAll("svg")].filter((mark) => {
    const box = mark.parentNode.querySelector("input");
    return !box || box.checked;
  });
  const notes = [...legend.querySelectorAll("small")].filter((note) => !note.closest("details"));
  const look = { "font-size": 12, fill: ink[0], "fill-opacity": ink[1] };
  for (const each of [...entries, ...notes]) {
    const mark = each.tagName === "svg" ? each : null;
    const text = (mark ? mark.parentNode : each).textContent.trim();
    const wide = text.length * LETTER + 40;
    if (x > AIR.edge && x + wide > width) [x, line] = [AIR.edge, line + AIR.legend];
    const copy = mark && standalone(mark, {});
    if (copy) {
      for (const [name, value] of [["x", x], ["y", line - 11]]) copy.setAttribute(name, value);
      picture.append(copy);
    }
    s(picture, "text", { ...look, x: x + (mark ? 24 : 0), y: line }, text);
    x += wide;
  }
  return line + AIR.between;
}

// The picture of these SVG nodes, one below the other, under a title, with a background. Nodes that are not there, or
// not seen, are left out.
export function standaloneSvg({ root, parts, legend, title, remark }) {
  const style = getComputedStyle(root);
  const ink = plainColour(style.color);
  const seen = parts.filter((part) => part && part.clientWidth);
  const width = Math.max(480, ...seen.map((part) => part.clientWidth)) + 2 * AIR.edge;
  const picture = s(document.createDocumentFragment(), "svg", { "font-family": style.fontFamily });
  const [paper] = plainColour(style.backgroundColor);
  s(picture, "rect", { width: "100%", height: "100%", fill: paper });
  const words = { x: AIR.edge, fill: ink[0], "fill-opacity": ink[1] };
  s(picture, "text", { ...words, y: 22, "font-size": 15, "font-weight": 600 }, title);
  s(picture, "text", { ...words, y: 40, "font-size": 12 }, remark);
  let y = AIR.title + 8;
  seen.forEach((part, i) => {
    const copy = standalone(part, {});
    const place = { x: AIR.edge, y, width: part.clientWidth, height: part.clientHeight, overflow: "visible" };
    for (const [name, value] of Object.entries(place)) copy.setAttribute(name, value);
    picture.append(copy);
    y += part.clientHeight + AIR.between;
    if (i === 0 && legend && legend.clientWidth) y = addLegend(picture, legend, { y: y + 8, width, ink });
  });
  const size = { width, height: y, viewBox: `0 0 ${width} ${y}` };
  for (const [name, value] of Object.entries(size)) picture.setAttribute(name, value);
  return { text: new XMLSerializer().serializeToString(picture), width, height: y };
}

// The same as a PNG of so many pixels for each px.
export async function pngOf({ text, width, height }, times = 2) {
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * times, height * times];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done) => { canvas.toBlob(done, "image/png"); });
  } finally {
    URL.revokeObjectURL(address);
  }
}

// Hand a file to the browser's downloads.
export function saveFile(root, name, content, mime = "text/plain") {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: mime }));
  const link = h(root, "a", { href: address, download: name, hidden: "" });
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 30_000);
}
