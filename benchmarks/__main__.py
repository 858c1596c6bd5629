"""`python -m benchmarks`: one table, everything in it measured now and in turn."""

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks import sides
from benchmarks.measure import Failed
from benchmarks.rows import ROWS, Bench, Row
from benchmarks.sides import NotInstalled, Side

_LINE = "{:<46} {:>10} {:>11} {:>8} {:>16}  {}"


def main() -> int:
    """Print the table; 1 where what is to be reached was missed, if it was measured in earnest."""
    options = _options()
    try:
        measured = _sides(options)
        found = _measure(options, measured)
    except (Failed, NotInstalled) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        values = [
            {"row": row.name, "unit": row.unit, "ours": row.ours, "other": row.other, "ratio": row.ratio,
             "reach": row.reach, "limit": row.limit, "verdict": row.verdict}
            for row in found
        ]  # fmt: skip
        print(json.dumps({"machine": _machine(), "rows": values}, indent=2))
    return int(not options.quick and any(row.verdict == "missed" for row in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours beside the other implementation.")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--notes", type=int, default=10_000, help="notes in the large vault (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a small vault, each sample once: does the command work")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--alone", action="store_true", help="measure ours only")
    parser.add_argument("--ours-venv", type=Path, metavar="PATH", help="a venv that has ours, instead of a kept one")
    parser.add_argument("--other-venv", type=Path, metavar="PATH", help="a venv that has the other")
    parser.add_argument("--in-place", action="store_true", help="ours from ./src, not installed: imports cost more so")
    options = parser.parse_args()
    options.rows = options.rows.split(",")
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}")
    return options


def _sides(options: argparse.Namespace) -> list[Side]:
    if options.in_place:
        ours = sides.in_place()
    elif options.ours_venv:
        ours = sides.in_venv("ours", options.ours_venv)
    else:
        ours = sides.ours()
    if options.alone:
        return [ours]
    try:
        other = sides.in_venv("other", options.other_venv) if options.other_venv else sides.other()
    except NotInstalled as error:
        print(
            f"warning: the other implementation could not be installed, ours is measured alone: {error}",
            file=sys.stderr,
        )
        return [ours]
    return [ours, other]


def _measure(options: argparse.Namespace, measured: list[Side]) -> list[Row]:
    found: list[Row] = []
    if not options.json:
        print(_machine())
        print(_LINE.format("row", "ours", "the other", "ratio", "to reach", "verdict").rstrip())
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        notes, haste = (min(options.notes, 100), 100) if options.quick else (options.notes, 1)
        bench = Bench(measured, Path(folder), notes, haste)
        for name in options.rows:
            for row in ROWS[name](bench):
                found.append(row)
                if not options.json:
                    print(_drawn(row), flush=True)
    return found


def _drawn(row: Row) -> str:
    def number(value: float) -> str:
        return f"{value:,.1f} {row.unit}" if value < 1000 else f"{value:,.0f} {row.unit}"

    other = "" if row.other is None else number(row.other)
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}x"
    asked = [] if row.reach is None else [f"{row.reach:g}x"]
    asked += [] if row.limit is None else [f"{row.limit:g} {row.unit}"]
    reach = f"<= {', '.join(asked)}" if asked else ""
    return _LINE.format(row.name, number(row.ours), other, ratio, reach, row.verdict).rstrip()


def _machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} x {model}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
