// The saved page's part of Jupyter: it unpacks the traits, and runs the widget over a model that has no kernel.
// The page is written by page.py; the widget's module stands before this one and leaves its default export here.

const widgetModule = globalThis.cnnlabModule;
const view = document.getElementById("cnnlab-view");

// What Python packed: the length of a JSON text, the text, and the bytes that it points into.
async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const packed = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(packed).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(packed.slice(4, start)));
  for (const [path, at, length] of data.buffers) {
    const holder = path.slice(0, -1).reduce((inside, key) => inside[key], data);
    holder[path.at(-1)] = new DataView(packed.slice(start + at, start + at + length)); // as Jupyter hands bytes over
  }
  return data;
}

function same(a, b) {
  if (a === b) return true;
  const plain = (value) => typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
  return plain(a) && plain(b) && JSON.stringify(a) === JSON.stringify(b);
}

// get, set, on, off, save_changes and send, as the widget knows them. As in Jupyter, all of a change is there before
// anyone hears of it. What Python would answer comes a moment later, and only if it is still asked for.
function modelOf({ state, answers }) {
  const values = { ...state, _static: true };
  const listeners = new Map();

  function fire(event, ...told) {
    for (const callback of listeners.get(event) || []) callback(...told);
  }

  function assign(changes) {
    const changed = Object.entries(changes);
    for (const [name, value] of changed) values[name] = value;
    for (const [name, value] of changed) fire(`change:${name}`, model, value);
    if (changed.length) fire("change", model);
  }

  function answer(name, value) {
    if (!Object.hasOwn(answers, name) || !Object.hasOwn(answers[name], value)) return;
    queueMicrotask(() => {
      if (values[name] === value) assign(answers[name][value]);
    });
  }

  const model = {
    get: (name) => values[name],
    set(name, value) {
      const wanted = Object.entries(typeof name === "object" ? name : { [name]: value });
      const changed = wanted.filter(([each, now]) => !same(values[each], now));
      for (const each of changed) answer(...each);
      assign(Object.fromEntries(changed));
    },
    save_changes() {},
    // A message is answered by what Python would have set, if that is in the page under its `do` and `id`, or, where the
    // answer depends on the data that are shown, `data|id`.
    send(message) {
      const known = answers[message.do];
      const changes = known?.[`${values.data}|${message.id}`] ?? known?.[message.id];
      queueMicrotask(() => (changes ? assign(changes) : fire("msg:custom", { unavailable: message.do }, [])));
    },
    on(event, callback) {
      listeners.set(event, [...(listeners.get(event) || []), callback]);
    },
    off(event, callback) {
      const kept = callback ? (listeners.get(event) || []).filter((each) => each !== callback) : [];
      if (event) listeners.set(event, kept);
      else listeners.clear();
    },
  };
  return model;
}

// The widget's style sheet tells dark from light as it does in JupyterLab.
function follow(scheme) {
  const tell = () => {
    document.body.dataset.jpThemeLight = String(!scheme.matches);
  };
  scheme.addEventListener("change", tell);
  tell();
}

async function show() {
  follow(matchMedia("(prefers-color-scheme: dark)"));
  const model = modelOf(await unpacked(document.getElementById("cnnlab-data").textContent));
  const widget = typeof widgetModule === "function" ? await widgetModule() : widgetModule;
  const { signal } = new AbortController();
  await widget.initialize?.({ model, signal });
  await widget.render({ model, el: view, signal });
}

try {
  await show();
} catch (error) {
  view.textContent = `This page cannot be shown here (${error.message}). A browser of 2023 or later can show it.`;
  throw error;
}
