"""The house: imports go one way, entry scripts stay small and answer at once, nothing reaches out of the repository."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("toolkit", "feature_extraction")
SOURCES = sorted(path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py"))
SCRIPTS = sorted(REPOSITORY.glob("main-*.py")) + sorted((REPOSITORY / "feature_extraction").glob("*/extract_*.py"))

# Who may import whom: each part names the parts below it.
BELOW = {
    "toolkit.globals": (),
    "toolkit.utils": ("toolkit.globals",),
    "toolkit.data": ("toolkit.utils", "toolkit.globals"),
    "toolkit.dataloader": ("toolkit.data", "toolkit.utils", "toolkit.globals"),
    "toolkit.models": ("toolkit.utils", "toolkit.globals"),
    "toolkit.train": ("toolkit.models", "toolkit.dataloader", "toolkit.data", "toolkit.utils", "toolkit.globals"),
    "toolkit.report": (
        "toolkit.train",
        "toolkit.models",
        "toolkit.dataloader",
        "toolkit.data",
        "toolkit.utils",
        "toolkit.globals",
    ),
    "toolkit.preprocess": ("toolkit.data", "toolkit.utils", "toolkit.globals"),
    "toolkit.noise": ("toolkit.preprocess", "toolkit.data", "toolkit.utils", "toolkit.globals"),
    "toolkit.openset": ("toolkit.utils", "toolkit.globals"),
    "toolkit.check": (
        "toolkit.report",
        "toolkit.preprocess",
        "toolkit.dataloader",
        "toolkit.data",
        "toolkit.utils",
        "toolkit.globals",
    ),
    "toolkit.submission": ("toolkit.openset", "toolkit.dataloader", "toolkit.utils", "toolkit.globals"),
    "toolkit.predict": (
        "toolkit.train",
        "toolkit.models",
        "toolkit.dataloader",
        "toolkit.data",
        "toolkit.utils",
        "toolkit.globals",
    ),
    "feature_extraction": ("toolkit.data", "toolkit.preprocess", "toolkit.utils", "toolkit.globals"),
}


def _part(module):
    return next((part for part in BELOW if module == part or module.startswith(part + ".")), module)


def _imports(path, top_level_only=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "toolkit":
                yield from (f"toolkit.{alias.name}" for alias in node.names)


def _module(path):
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_imports_go_one_way(path):
    own = _part(_module(path))
    if own == "toolkit":
        return
    # toolkit/utils/functions.py is the table of user commands: it calls upwards, inside its functions only.
    functions = _module(path) == "toolkit.utils.functions"
    for module in _imports(path, top_level_only=functions):
        part = _part(module)
        if part.split(".")[0] in PACKAGES and part not in ("toolkit", own):
            assert part in BELOW[own], f"{_module(path)} imports {module}"


@pytest.mark.parametrize("path", SOURCES + SCRIPTS, ids=lambda path: path.name)
def test_no_star_imports_and_no_path_hacks(path):
    text = path.read_text(encoding="utf-8")
    assert "sys.path" not in text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_entry_scripts_are_small_and_show_their_commands(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert f"python {path.relative_to(REPOSITORY)}" in docstring or f"python -u {path.name}" in docstring


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_help_imports_nothing_heavy(path):
    code = (
        "import runpy, sys\n"
        "sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'cv2', 'librosa', 'opensmile', 'sklearn', 'pandas', 'matplotlib'}"
        " & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_globals_and_the_model_table_are_light():
    code = "import toolkit.globals, toolkit.models, sys; print(sorted({'torch', 'numpy', 'openai'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
