import json
import subprocess
import sys
from pathlib import Path

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
