"""Several files of JavaScript become one module, or are refused. (A browser runs some: tests/browser.)"""

import re
import tomllib
from pathlib import Path

import pytest

from cnnlab.show.scripts import bundle

ROOT = Path(__file__).parents[1]
MAIN = 'import { a } from "./one.js";\nexport default { render: () => a };\n'
FILES = {
    "main.js": """\
// Main: import { nothing } from "here" is only talk.
import { a, b } from "./one.js";
import {
  c,
  D,
} from './two.js';
export const state = a + b;
export default { render: () => state + c() };
""",
    "one.js": """\
// One.
import { c } from "./two.js";

export const a = c();
export const b = 2;
const own = "export";
""",
    "two.js": """\
/* Two. */
export async function e() {}
export function* f() {}
export function c() {
  const own = 1;
  return own;
}
export class D {}
const own = 3;
const page = () => import("./two.js");
""",
    "unused.js": "export const a = 'nobody asks for me';\n",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_one_module_out_of_three_files(tmp_path):
    text = bundle(written(tmp_path, FILES))
    assert text == bundle(tmp_path / "main.js")
    heads = re.findall(r"^// ---- (.*) ----$", text, re.MULTILINE)
    assert heads == ["two.js", "one.js", "main.js"], "what is imported comes first, and once"
    assert re.findall(r"^\s*(?:import|export)\b.*", text, re.MULTILINE) == [
        "export default { render: () => state + c() };"
    ]
    for kept in (
        "/* Two. */",
        "// One.",
        "// Main: ",
        "async function e",
        "\nfunction* f",
        "\nclass D",
        "\nconst b = 2",
    ):
        assert kept in text
    assert "return { e, f, c, D };" in text and "const { a, b } = one_js;" in text
    assert 'const own = "export";' in text and 'import("./two.js")' in text
    assert "nobody asks for me" not in text


def test_a_file_alone_is_a_module_already(tmp_path):
    (tmp_path / "alone.js").write_text("// Alone.\nexport default {};\n")
    assert bundle(tmp_path / "alone.js").endswith("// Alone.\nexport default {};\n")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "there is no file main.js"),
        ({"main.js": MAIN}, "there is no file one.js, which main.js imports"),
        (
            {
                "main.js": MAIN,
                "one.js": 'import { b } from "./two.js";\nexport const a = 1;',
                "two.js": 'import { a } from "./one.js";\nexport const b = 1;',
            },
            "a circular import: one.js imports two.js imports one.js",
        ),
        ({"main.js": MAIN, "one.js": "const a = 1;"}, "main.js imports 'a' from one.js, which exports nothing"),
        (
            {"main.js": MAIN, "one.js": "export const c = 1;\nexport function b() {}"},
            "main.js imports 'a' from one.js, which exports b, c",
        ),
        ({"main.js": MAIN.replace("a }", "a as b }", 1)}, "main.js imports 'a as b' from one.js: a name can only"),
        (
            {"main.js": 'import * as one from "./one.js";'},
            'main.js: `import * as one from "./one.js";` is not supported',
        ),
        ({"main.js": 'import one from "./one.js";'}, 'main.js: `import one from "./one.js";` is not supported'),
        ({"main.js": 'import "./one.js";'}, 'main.js: `import "./one.js";` is not supported'),
        ({"main.js": 'import { a } from "d3";'}, 'main.js: `import { a } from "d3";` is not supported'),
        ({"main.js": 'import { a } from "https://x.org/a.js";'}, "is not supported"),
        ({"main.js": "const a = 1;\nexport { a };"}, "main.js: `export { a };` is not supported"),
        ({"main.js": 'export * from "./one.js";'}, 'main.js: `export * from "./one.js";` is not supported'),
        ({"main.js": 'import { a } from "./sub/one.js";'}, 'main.js: `import { a } from "./sub/one.js";` is not'),
        ({"main.js": 'import { a } from "./my-one.js";'}, 'main.js: `import { a } from "./my-one.js";` is not'),
        ({"main.js": "export const [a, b] = [1, 2];"}, "main.js: `export const [a,`: an export has one name"),
        ({"main.js": "export const { a } = {};"}, "main.js: `export const {`: an export has one name"),
        ({"main.js": "export let a = 1;"}, "main.js: `export let a = 1;` is not supported; what is:"),
        ({"main.js": "const a = 1;"}, "main.js: `export default` must stand in main.js, and in no other file"),
        (
            {"main.js": MAIN, "one.js": "export const a = 1;\nexport default a;"},
            "one.js: `export default` must stand in main.js",
        ),
    ],
)
def test_what_is_refused(tmp_path, files, sentence):
    with pytest.raises(ValueError) as error:
        bundle(written(tmp_path, files) / "main.js")
    assert sentence in str(error.value)


def test_a_wheel_holds_every_file_that_is_not_python():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = setuptools["package-data"]
    assert setuptools["packages"]["find"]["namespaces"] is False  # so a package is a folder with an __init__.py
    packed = set()
    for init in ROOT.glob("cnnlab/**/__init__.py"):
        name = ".".join(init.parent.relative_to(ROOT).parts)
        for pattern in (*patterns["*"], *patterns.get(name, ())):
            packed.update(init.parent.glob(pattern))
    others = {path for path in ROOT.glob("cnnlab/**/*.*") if path.suffix not in (".py", ".pyc")}
    assert others and others <= packed
