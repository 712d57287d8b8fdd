// A list of layers, and the picture of what goes with the one chosen; Python draws it.
function render({ model, el }) {
  const label = document.createElement("label");
  const list = document.createElement("select");
  const picture = document.createElement("div");
  // JupyterLab takes arrow keys and letters from whatever has the focus, unless that very node says no.
  list.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, words] of model.get("_layers")) list.add(new Option(words, name));
  label.append("Layer ", list);
  el.classList.add("cnnlab-chooser");
  el.append(label, picture);
  const show = () => {
    list.value = model.get("layer");
    picture.innerHTML = model.get("_picture");
  };
  list.addEventListener("change", () => {
    model.set("layer", list.value);
    model.save_changes();
  });
  model.on("change:layer", show);
  model.on("change:_picture", show);
  show();
  return () => {
    model.off("change:layer", show);
    model.off("change:_picture", show);
  };
}
export default { render };
