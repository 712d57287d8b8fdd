"""One ES module out of several files: anywidget takes a single text, and a build tool would need node.

The files say `import { a, b } from "./dom.js";` and `export function a() {}`, as any module does, so editors, linters
and a browser read them as they stand. Here they are put in order, each becomes a function that gives what it exports,
and the imports become what such a function gave. It reads lines, not the language: a statement counts where it starts
at the start of a line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*(["\'])\./([a-z_]\w*\.js)\2[ \t]*;?[ \t]*\n?', re.MULTILINE)
EXPORT = re.compile(r"^export\s+(?=((?:async\s+)?function\b\s*\*?|class\b|const\b)\s*([^\s=(;{]*))", re.MULTILINE)
DEFAULT = re.compile(r"^export\s+default\b", re.MULTILINE)
LEFT = re.compile(r"^(?:import\b(?!\s*[(.])|export\b(?!\s+default\b)).*", re.MULTILINE)  # after the known ones are gone
NAME = re.compile(r"[\w$]+")


@dataclass(frozen=True)
class Script:
    """A file: what it imports (file -> names), the names that it exports, and its text without these words."""

    imports: dict[Path, tuple[str, ...]]
    exported: tuple[str, ...]
    text: str


@lru_cache(maxsize=8)
def bundle(main: Path) -> str:
    """One module that does what this file does with all that it imports; for a folder, what its main.js does.

    Every file stands in it once, after those that it imports, under a comment with its name. Only the default export
    of the main file stays. Raises ValueError for what could not mean the same in one module: a file that is missing or
    that imports itself through others, a name that is not exported, `import x`, `import * as x`, `import { a as b }`,
    `export { a }`, `export let` (others would not see it change), and a default export anywhere but in the main file.

    >>> bundle(Path(__file__).with_name("groupchooser.js")).splitlines()[0]
    '// ---- groupchooser.js ----'
    """
    main = (main / "main.js" if main.is_dir() else main).resolve()
    scripts = _in_order(main)
    for path, script in scripts.items():
        if (path == main) != bool(DEFAULT.search(script.text)):
            raise ValueError(f"{path.name}: `export default` must stand in {main.name}, and in no other file")
    return "\n".join(_scoped(path, script, last=path == main) for path, script in scripts.items())


def _scoped(path: Path, script: Script, *, last: bool) -> str:
    """A file in a scope of its own, which gives what it exports; the last, main, file stands open."""
    taken = [f"const {{ {', '.join(names)} }} = {_variable(other)};" for other, names in script.imports.items()]
    text = "\n".join([*taken, "", script.text]).strip("\n")
    if not last:
        text = f"const {_variable(path)} = (() => {{\n{text}\n\nreturn {{ {', '.join(script.exported)} }};\n}})();"
    return f"// ---- {path.name} ----\n\n{text}\n"


def _variable(path: Path) -> str:
    return f"{path.stem}_js"


def _in_order(main: Path) -> dict[Path, Script]:
    """All scripts that are needed, each after those that it imports."""
    done: dict[Path, Script] = {}

    def visit(path: Path, through: tuple[Path, ...]) -> None:
        if path in through:
            circle = [each.name for each in (*through[through.index(path) :], path)]
            raise ValueError(f"a circular import: {' imports '.join(circle)}")
        if path in done:
            return
        script = _script(path, through)
        for other, names in script.imports.items():
            visit(other, (*through, path))
            if missing := [name for name in names if name not in done[other].exported]:
                known = ", ".join(sorted(done[other].exported)) or "nothing"
                raise ValueError(f"{path.name} imports {missing[0]!r} from {other.name}, which exports {known}")
        done[path] = script

    visit(main, ())
    return done


def _script(path: Path, through: tuple[Path, ...]) -> Script:
    """Read one file."""
    if not path.is_file():
        by = f", which {through[-1].name} imports" if through else ""
        raise ValueError(f"there is no file {path.name}{by}")
    text = path.read_text(encoding="utf-8")
    imports: dict[Path, tuple[str, ...]] = {}
    for names, _quote, source in IMPORT.findall(text):
        listed = tuple(name.strip() for name in names.split(",") if name.strip())
        for name in listed:
            if not NAME.fullmatch(name):
                raise ValueError(f"{path.name} imports {name!r} from {source}: a name can only be imported as it is")
        other = path.parent / source
        imports[other] = (*imports.get(other, ()), *listed)
    text = IMPORT.sub("", text)
    exported = tuple(name for _kind, name in EXPORT.findall(text))
    for name in exported:
        if not NAME.fullmatch(name):
            raise ValueError(f"{path.name}: `export const {name or '{'}`: an export has one name")
    text = EXPORT.sub("", text)
    if left := LEFT.search(text):
        allowed = 'import { a, b } from "./file.js"; export const, function or class; export default'
        raise ValueError(f"{path.name}: `{left[0].strip()}` is not supported; what is: {allowed}")
    return Script(imports, exported, text.strip("\n"))
