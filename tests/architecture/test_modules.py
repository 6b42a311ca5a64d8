"""The house is what its plan says: modules, names, and what may be imported where."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rsmonitor"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

AMBIGUOUS = {"mask", "baseline"}
"""In this field each means two opposite things: say ``clear``, ``history``, ..."""

SHAPELESS = {"utils", "util", "helpers", "common", "misc"}
"""Modules are named for what they hold."""


def test_the_module_table_of_the_architecture_document_is_the_tree() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+\.py)`", text, flags=re.MULTILINE)
    assert len(listed) == len(set(listed)), "a module is listed twice"
    optional = {"__main__.py"}
    there = {path.as_posix() for path in MODULES if path.name != "__init__.py"}
    assert set(listed) - optional == there - optional


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_name_of_a_module_is_ambiguous(module: Path) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    given = {
        (name, node.lineno)
        for node in ast.walk(tree)
        for name in names_given_by(node)
        if name in AMBIGUOUS
    }
    assert not given


def names_given_by(node: ast.AST) -> list[str]:
    """Give the names that a node makes; keywords of foreign functions are not ours."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.Attribute(attr=name, ctx=ast.Store()):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ClassDef(name=name):
            return [name]
        case ast.alias(asname=str(name)):
            return [name]
        case _:
            return []


def test_no_module_is_named_for_nothing_in_particular() -> None:
    assert not [path for path in MODULES if set(path.with_suffix("").parts) & SHAPELESS]


def run_python(program: str, *arguments: str) -> str:
    """Run a program in a fresh interpreter, and give what it prints."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORT_WITHOUT = """
import importlib, importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REFUSED:
            raise ImportError(f"{name} is refused here")

REFUSED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Refuse())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def pure_modules() -> list[str]:
    names = [".".join(("rsmonitor", *path.with_suffix("").parts)) for path in MODULES]
    return [
        name.removesuffix(".__init__")
        for name in names
        if name.startswith(("rsmonitor.records", "rsmonitor.stages"))
    ]


def test_records_and_stages_need_no_library_of_the_outside() -> None:
    # Of the polygoniser's rasterio, which works in memory, see pyproject.toml.
    polygonisers = [f"rsmonitor.stages.{n}" for n in ("tracing", "outline", "graded")]
    outside = "geopandas,pyogrio,fiona,sentinelhub,requests"
    run_python(
        IMPORT_WITHOUT,
        f"{outside},rasterio",
        *(name for name in pure_modules() if name not in polygonisers),
    )
    run_python(IMPORT_WITHOUT, outside, *polygonisers)


def test_the_check_of_imports_can_fail() -> None:
    with pytest.raises(AssertionError, match="shapely is refused here"):
        run_python(IMPORT_WITHOUT, "shapely", "rsmonitor.records.licence")


HELP = """
import json, sys
from rsmonitor.cli import main
sys.argv = ["rsmonitor", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""

HEAVY = {
    "geopandas",
    "matplotlib",
    "numba",
    "pandas",
    "pyogrio",
    "rasterio",
    "scipy",
    "sentinelhub",
    "sklearn",
    "xarray",
    "zarr",
}


def test_help_loads_nothing_heavy() -> None:
    printed = run_python(HELP)
    loaded = set(json.loads(printed.splitlines()[-1]))
    assert "rsmonitor" in loaded
    assert not loaded & HEAVY
