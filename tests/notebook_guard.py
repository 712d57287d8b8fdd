"""What a committed notebook must hold to, read from the file alone (no kernel).

nbval compares outputs, but a notebook can pass it and compare nothing: a cell without an execution count is only run,
and one without outputs has nothing to differ from. These rules close that gap, and keep out what breaks strict nbval
(`;`, interact, Output, clear_output), what GitHub and an HTML export would not show, and what needs a network.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from nbval.plugin import find_comment_markers, find_metadata_tags

WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
NEVER_COMPARED = {"image/png", "image/jpeg", WIDGET}  # by nbval
BREAK_NBVAL = {"interact", "interactive", "interactive_output", "interact_manual", "Output", "clear_output"}
FETCH_MODULES = {"requests", "httpx", "urllib", "urllib3", "http", "aiohttp", "wget"}
FETCH_COMMAND = re.compile(r"^\s*(?:!|%)\s*(?:wget|curl|git|pip|conda|mamba|uv)\b", re.MULTILINE)
HEADINGS = ("Goals", "Time", "Exercises", "Summary")
SHOW = {"print", "display", "cl.lesson.show", "cl.lesson.check", "cl.lesson.room"}
MOST_BYTES, MOST_LINES = 500_000, 25
# A last line of one of these shows nothing, or may show nothing (a call that returns None)
QUIET = (ast.Call, ast.Await, ast.Yield)


def problems(notebook: NotebookNode, headings: tuple[str, ...] = HEADINGS) -> list[str]:
    """Every breach of the rules, a sentence each; empty for a notebook that may be committed. headings: it must have.

    >>> problems(nbformat.v4.new_notebook())[0]
    'the kernelspec is None, not python3'
    """
    found = [*about_file(notebook), *about_text(notebook, headings), *about_counts(notebook)]
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and cell.source.strip():
            place = f"cell {number} ({cell.source.strip().splitlines()[0][:40]})"
            found += [f"{place}: {problem}" for problem in (*about_code(cell), *about_outputs(cell))]
    return found


def pictures(cell: NotebookNode) -> int:
    """The number of its outputs that carry a picture."""
    return sum(any(mime in output.get("data", ()) for mime in PICTURES) for output in cell.get("outputs", ()))


def about_file(notebook: NotebookNode) -> Iterator[str]:
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"the kernelspec is {kernel}, not python3"
    if "widgets" in notebook.metadata:
        yield "metadata.widgets holds saved widget state: GitHub shows nothing then; save without it"
    size = len(nbformat.writes(notebook).encode())
    if size >= MOST_BYTES:
        yield f"the notebook has {size:,} bytes, not under {MOST_BYTES:,}: make its figures smaller"


def about_text(notebook: NotebookNode, headings: tuple[str, ...]) -> Iterator[str]:
    text = "\n".join(outside_fences(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    for heading in headings:
        if not re.search(rf"^#+\s+(?:\d+[.)]?\s+)?{heading}\b", text, re.MULTILINE | re.IGNORECASE):
            yield f"no heading starts with {heading}"
    for image in re.findall(r"!\[\s*\](?:\([^)]*\)|\[[^\]]*\])", text):
        yield f"{image}: the image has no alt text"
    for image in re.findall(r"<img\b[^>]*>", text, re.IGNORECASE):
        if not re.search(r"""\balt\s*=\s*(?:"[^"]*\S[^"]*"|'[^']*\S[^']*')""", image, re.IGNORECASE):
            yield f"{image}: the image has no alt text"


def outside_fences(markdown: str) -> str:
    """Markdown without its fenced code, in which `#` is a comment and not a heading."""
    return re.sub(r"^\s*(```|~~~).*?^\s*\1", "", markdown, flags=re.MULTILINE | re.DOTALL)


def about_counts(notebook: NotebookNode) -> Iterator[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    counts = [cell.execution_count for cell in cells]
    if counts != list(range(1, len(cells) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(cells)}: restart the kernel, run all cells, save"
    if not any(is_compared(cell) for cell in cells):
        yield "nothing in this notebook is compared: no cell has text output that nbval checks"


def is_compared(cell: NotebookNode) -> bool:
    """Whether nbval compares something in this cell that can differ."""
    options = dict(find_metadata_tags(cell.metadata)) | dict(find_comment_markers(cell.source))
    if cell.execution_count is None or options.get("skip") or not options.get("check", True):
        return False
    return any(is_telling(output) for output in cell.outputs)


def is_telling(output: NotebookNode) -> bool:
    if output.output_type == "stream":
        return bool(output.text.strip())
    data = {mime: value for mime, value in output.get("data", {}).items() if mime not in NEVER_COMPARED}
    return any(not (isinstance(value, str) and value.startswith("<Figure")) for value in data.values())


def about_code(cell: NotebookNode) -> Iterator[str]:
    lines = len(cell.source.strip().splitlines())
    if lines > MOST_LINES:
        yield f"{lines} lines, more than {MOST_LINES}: what is longer belongs into the package"
    if FETCH_COMMAND.search(cell.source):
        yield "a shell command installs or fetches something"
    code = as_python(cell.source)
    if ends_with_semicolon(code):
        yield "ends with `;`, which strict nbval does not honour: end with plt.show() or `_ = ...`"
    try:
        tree = compile(code, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        if not may_raise(cell):
            yield f"does not parse: {error.msg}"
        return
    for name in sorted(names(tree) & BREAK_NBVAL):
        yield f"uses {name}, which breaks strict nbval"
    yield from fetches(tree)
    if shows(tree) and not cell.outputs:
        yield "shows something but has no output: nothing would be compared"


def as_python(source: str) -> str:
    """The cell as plain Python; the body of a cell magic (%%time, %%capture) counts as code as well."""
    code = TransformerManager().transform_cell(source)
    body = source.lstrip()
    if body.startswith("%%"):
        body = TransformerManager().transform_cell(body.partition("\n")[2])
        try:
            ast.parse(body)
        except SyntaxError:  # another language's
            return code
        return body
    return code


def ends_with_semicolon(code: str) -> bool:
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT}
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            last = last if token.type in layout else token.string
    except (tokenize.TokenError, SyntaxError):  # the parser will say so
        return False
    return last == ";"


def names(tree: ast.AST) -> set[str]:
    """Every name that the code uses, imports or takes from an object."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name.rpartition(".")[2])
    return found


def fetches(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\bhttps?://", node.value):
            yield f"the code holds the address {node.value!r}: notebooks must run without a network"
        elif isinstance(node, ast.keyword) and node.arg == "download" and getattr(node.value, "value", None) is True:
            yield "download=True: notebooks must run without a network"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for module in modules:
                if module.partition(".")[0] in FETCH_MODULES:
                    yield f"imports {module}: notebooks must run without a network"


def shows(tree: ast.Module) -> bool:
    """Whether the cell is bound to show something: it prints or displays unconditionally, or ends with a value."""
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not isinstance(tree.body[-1].value, QUIET):
        return getattr(tree.body[-1].value, "value", ...) is not None
    return any(prints(statement) for statement in tree.body)


def prints(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.For | ast.With):
        return any(prints(inner) for inner in statement.body)
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    to_file = any(keyword.arg == "file" for keyword in statement.value.keywords)
    called = ast.unparse(statement.value.func)
    return (called in SHOW or called.endswith(".reveal")) and not to_file


def may_raise(cell: NotebookNode) -> bool:
    return "raises-exception" in cell.metadata.get("tags", ())


def about_outputs(cell: NotebookNode) -> Iterator[str]:
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            yield f"stderr was saved: {output.text.strip()[:60]!r}"
        if output.output_type == "error" and not may_raise(cell):
            yield f"an error was saved ({output.ename}) and the cell is not tagged raises-exception"
        data = output.get("data", {})
        if WIDGET in data and not ("text/plain" in data and any(mime in data for mime in (*PICTURES, "text/html"))):
            yield "a widget without text and a picture or HTML: GitHub and an HTML export show nothing then"
        if "image/svg+xml" in data and "image/png" not in data:
            yield "a drawing as SVG alone, which GitHub and untrusted notebooks do not show: use cl.lesson.show"
        if "image/png" in data and not output.metadata.get("image/png", {}).get("alt", "").strip():
            yield "a picture without alt text: show it with cl.lesson.show(figure, caption)"
