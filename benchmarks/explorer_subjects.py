"""What benchmarks/explorer.py compares: the same kind of plot, moved by a slider, made in five ways."""

from __future__ import annotations

from dataclasses import dataclass

# The others do without cnnlab, whose imports would lengthen the garbage collections of their kernels.
EXPLORER = "import cnnlab as cl\ncl.Explorer('efficientnet')"
POINTS = "x, y = np.random.default_rng(0).uniform([[7.6], [57]], [[10.6], [86]], (2, 90))"
INTERACT = f"""
import ipywidgets, matplotlib.pyplot as plt, numpy as np
{POINTS}
def draw(value):
    plt.figure(figsize=(7, 4))
    plt.scatter(10**x, y, s=20)
    plt.xscale("log")
    plt.axvline(10 ** (7.6 + 0.03 * value))
    plt.show()
ipywidgets.interact(draw, value=ipywidgets.IntSlider(0, 0, 100));
"""
PLOTLY = f"""
import ipywidgets, numpy as np, plotly.graph_objects as go
{POINTS}
figure = go.FigureWidget(go.Scatter(x=10**x, y=y, mode="markers"), layout=dict(width=700, height=400))
figure.update_xaxes(type="log")
figure.add_vline(x=10**7.6)
def move(change):
    with figure.batch_update():
        figure.layout.shapes[0].x0 = figure.layout.shapes[0].x1 = 10 ** (7.6 + 0.03 * change["new"])
slider = ipywidgets.IntSlider(0, 0, 100)
slider.observe(move, "value")
ipywidgets.VBox([slider, figure])
"""
ECHO = '''
import anywidget, traitlets
class Echo(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
        el.innerHTML = '<input type="range" min="0" max="100" value="0"> <output>0</output>';
        const [input, output] = el.children;
        input.addEventListener("input", () => { model.set("value", Number(input.value)); model.save_changes(); });
        model.on("change:echo", () => { output.textContent = model.get("echo"); });
    }
    export default { render };"""
    value, echo = traitlets.Int().tag(sync=True), traitlets.Int().tag(sync=True)
    @traitlets.observe("value")
    def _answer(self, change):
        self.echo = change["new"]
Echo()
'''


@dataclass(frozen=True)
class Subject:
    """A notebook's one cell (None: the Explorer's saved page), and where on the page things are, as CSS: the slider and
    the view; within the view, the plot whose pixels count, and all that every step must change: an attribute, "" for
    the element itself once it has a text, or None for the text."""

    name: str
    cell: str | None
    slider: str
    view: str
    plot: str
    parts: tuple[tuple[str, str | None], ...]


READOUTS = (('[data-readout="macs"]', None), ('[data-readout="state"]', None), ('[data-mark="here"]', "x1"))
LIVE = Subject("Explorer", EXPLORER, '[data-slider="phi"]', ".cnnlab", ".cnnlab-plot svg", READOUTS)
SUBJECTS = (
    LIVE,
    Subject("Explorer, saved page", None, LIVE.slider, LIVE.view, LIVE.plot, LIVE.parts),
    Subject("interact + inline matplotlib", INTERACT, ".noUi-handle", ".widget-interact", "img", (("img", "src"),)),
    Subject("plotly FigureWidget", PLOTLY, ".noUi-handle", ".widget-vbox", ".main-svg", ((".shapelayer path", "d"),)),
    Subject("bare anywidget, echoed", ECHO, "input[type=range]", ".jp-OutputArea", "output", (("output", None),)),
)
# The cell has run when there is a new Explorer on the page, with numbers.
RUN = Subject("cell", EXPLORER, "", "body", "", (('.cnnlab [data-readout="macs"]', ""),))
