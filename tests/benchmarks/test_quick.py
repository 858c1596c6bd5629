import json
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks import sides

PROJECT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--alone", "--in-place", *arguments]
    return subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=120)


def test_every_row_of_the_table_is_measured() -> None:
    done = bench("--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert [row["row"].partition(" (")[0] for row in json.loads(done.stdout)["rows"]] == [
        "--help",
        "info",
        "migrate --status, 100 notes",
        "migrate --to v1 --dry-run, 100 notes",
        "migrate --to v1, 100 notes",
        "its peak memory",
        "the same, ten times the notes",
        "migrate --rollback, 100 notes",
        "a run, 10 notes",
        "a run, 10 notes",
        "a run, 100 notes",
        "what 1,000 log lines add to it, with caps",
        "a run that keeps a note, 100 notes",
        "`run` from a cold start, 100 notes, CPU",
        "its peak memory",
        "dashboard, 1,000 log lines",
        "dashboard after one more run",
        "cp -r and sync, 100 notes",
    ]


def test_chosen_rows_are_drawn_under_the_machine_they_were_measured_on() -> None:
    done = bench("--rows", "copy")

    machine, head, row = done.stdout.splitlines()
    assert "Python 3." in machine
    assert head.split() == ["row", "ours", "the", "other", "ratio", "to", "reach", "verdict"]
    assert row.startswith("cp -r and sync, 100 notes ")


def test_a_row_that_does_not_exist_is_refused_with_the_names_of_those_that_do() -> None:
    done = bench("--rows", "speed")

    assert done.returncode == 2
    assert "help, info, status, migrate, run, governed, cold, dashboard, copy" in done.stderr


def test_a_side_without_what_the_dashboard_needs_is_measured_in_all_other_rows(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    command = [sys.executable, "-m", "benchmarks", "--quick", "--alone", "--rows", "dashboard,copy"]
    command += ["--ours-venv", str(tmp_path / "bare")]

    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert "warning: the dashboard is not measured: ours has no jinja2 and no starlette" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("cp -r and sync, 100 notes ")


def test_what_is_installed_to_be_measured_has_the_extra_of_the_dashboard() -> None:
    assert [each for each in sides.OURS if each.endswith("[serve]")] == list(sides.OURS)
