"""The shape of the code: no room grows into a hall without somebody changing a number here, with a reason."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

MODULE_LINES = 400
FUNCTION_LINES = 60
FUNCTION_LINES_9_OF_10 = 30
MEDIAN_MODULE_LINES = 150
FRONT_DOOR_NAMES = 20
ANY_ANNOTATIONS = 12


def functions() -> list[tuple[str, int]]:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", size))
    return found


def test_no_module_is_long() -> None:
    long = [str(path.relative_to(ROOT)) for path in SOURCES if len(path.read_text().splitlines()) > MODULE_LINES]

    assert long == []


def test_the_median_module_is_short() -> None:
    lines = [len(path.read_text().splitlines()) for path in SOURCES if path.name != "__init__.py"]

    assert statistics.median(lines) <= MEDIAN_MODULE_LINES


def test_no_function_is_long() -> None:
    long = [name for name, size in functions() if size > FUNCTION_LINES]

    assert long == []


def test_nine_functions_of_ten_are_short() -> None:
    sizes = sorted(size for _, size in functions())

    assert sizes[len(sizes) * 9 // 10] <= FUNCTION_LINES_9_OF_10


def test_every_module_says_in_a_line_what_it_is_for() -> None:
    silent = []
    for path in SOURCES:
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        if not docstring.partition("\n")[0].strip():
            silent.append(str(path.relative_to(ROOT)))

    assert silent == []


def test_any_is_rare() -> None:
    count = 0
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        count += sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(tree))

    assert count <= ANY_ANNOTATIONS


def test_no_room_is_named_for_leftovers() -> None:
    leftovers = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

    assert [path.stem for path in SOURCES if path.stem in leftovers] == []


def test_the_front_door_is_small() -> None:
    import atomic_agents

    assert len(atomic_agents.__all__) <= FRONT_DOOR_NAMES


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, atomic_agents.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in ('yaml', 'pydantic', 'sqlite3', 'jsonschema', 'genai_prices', 'httpx') if n in sys.modules],"
        " file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"
