// Small helpers: nodes that are made, texts and attributes that are only written when they change, numbers as words.

const SVG = "http://www.w3.org/2000/svg";
const formatter = new Intl.NumberFormat("en-US");

// JupyterLab takes arrow keys and letters from whatever has the focus, unless that very node says no.
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

function put(parent, node, attributes, text) {
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

export const h = (parent, tag, attributes, text) => put(parent, document.createElement(tag), attributes, text);
export const s = (parent, tag, attributes, text) => put(parent, document.createElementNS(SVG, tag), attributes, text);

// Writing to the page costs layout, so only what changed is written.
export function say(node, text) {
  if (node.said === text) return;
  node.said = text;
  node.textContent = text;
}

export function set(node, name, value) {
  const memory = node.memory || (node.memory = {});
  if (memory[name] === value) return;
  memory[name] = value;
  if (value === null) node.removeAttribute(name);
  else node.setAttribute(name, value);
}

export const show = (node, yes) => set(node, "visibility", yes ? "visible" : "hidden");
export const hide = (node, yes) => set(node, "hidden", yes ? "" : null);

export function button(parent, name, text, action, title) {
  const node = h(parent, "button", { type: "button", "data-button": name, ...OWN_KEYS }, text);
  if (title) node.title = title;
  node.addEventListener("click", action);
  return node;
}

export function choice(parent, name, options, label = name) {
  const box = h(parent, "label", { class: "cnnlab-choice" }, `${label} `);
  const select = h(box, "select", { ...OWN_KEYS, "data-control": name, "aria-label": label });
  for (const [value, text] of options) h(select, "option", { value }, text);
  return select;
}

// A part of the page that opens and closes: its body.
export function section(parent, name, title, open) {
  const box = h(parent, "details", { class: `cnnlab-section cnnlab-${name}`, "data-section": name });
  box.open = open;
  const summary = h(box, "summary", { ...OWN_KEYS });
  h(summary, "strong", {}, title);
  h(summary, "small", { class: "cnnlab-hint", "data-summary": name });
  return { box, body: h(box, "div", { class: "cnnlab-section-body" }), hint: summary.lastChild };
}

// How much larger than its own pixels a node is shown: a projector's page is zoomed, and the mouse is not.
export const zoomOf = (node) => node.currentCSSZoom || 1;

// One tab stop for many things: arrow keys, Home and End move among them.
export function roving(nodes, first = nodes[0]) {
  for (const node of nodes) node.setAttribute("tabindex", node === first ? 0 : -1);
  const go = (event) => {
    const at = nodes.indexOf(event.currentTarget);
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: nodes.length - 1 };
    const next = nodes[to[event.key]];
    if (!next) return;
    event.preventDefault();
    nodes[at].setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  };
  for (const node of nodes) node.addEventListener("keydown", go);
}

// Numbers as words.

export const whole = (n) => formatter.format(n);

export function short(n, digits) {
  const size = Math.abs(n);
  const [scale, unit] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e3 ? [1e3, "k"] : [1, ""];
  const x = n / scale;
  if (digits !== undefined) return `${Number(x.toPrecision(digits))} ${unit}`.trim();
  const y = Math.abs(x);
  return `${scale === 1 ? x : y >= 100 ? x.toFixed(0) : y >= 10 ? x.toFixed(1) : x.toFixed(2)} ${unit}`.trim();
}

export const times = (x) => `× ${x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2)}`;
export const percent = (x) => `${Number(x.toFixed(3))} %`;

// The shapes of points, as paths round (0, 0).

function polygon(corners, radius, turn = 0, inner = 1) {
  const at = (i) => {
    const r = inner < 1 && i % 2 ? radius * inner : radius;
    const a = turn - Math.PI / 2 + (2 * Math.PI * i) / corners;
    return `${(r * Math.cos(a)).toFixed(2)} ${(r * Math.sin(a)).toFixed(2)}`;
  };
  return `M${Array.from({ length: corners }, (_, i) => at(i)).join("L")}Z`;
}

export const SHAPES = {
  circle: (r) => polygon(24, r),
  diamond: (r) => polygon(4, r * 1.25),
  square: (r) => polygon(4, r * 1.3, Math.PI / 4),
  up: (r) => polygon(3, r * 1.3),
  down: (r) => polygon(3, r * 1.3, Math.PI),
  left: (r) => polygon(3, r * 1.3, -Math.PI / 2),
  pentagon: (r) => polygon(5, r * 1.15),
  star: (r) => polygon(10, r * 1.45, 0, 0.45),
  cross: (r) => polygon(8, r * 1.3, Math.PI / 4, 0.35),
  plus: (r) => polygon(8, r * 1.3, 0, 0.3),
};
