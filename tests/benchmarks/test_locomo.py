"""The retrieval benchmark, over a conversation made up for it."""

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TALK = {
    "speaker_a": "Ada",
    "speaker_b": "Ben",
    "session_1_date_time": "1:56 pm on 8 May, 2023",
    "session_1": [
        {"speaker": "Ada", "dia_id": "D1:1", "text": "Where did you go with the boat?"},
        {"speaker": "Ben", "dia_id": "D1:2", "text": "To the island.\nWith the children.", "blip_caption": "a ferry"},
    ],
    "session_2_date_time": "9:00 am on 25 May, 2023",
    "session_2": [{"speaker": "Ada", "dia_id": "D2:1", "text": "I baked a cake."}],
}
ASKED = [
    {"question": "What did Ada bake?", "evidence": ["D2:1"], "category": 4},
    {"question": "Where did Ben go?", "evidence": ["D1:2", "D1:1"], "category": 1},
    {"question": "Did Ben bake a cake?", "evidence": ["D2:1"], "category": 5},
    {"question": "What is nowhere?", "evidence": ["D9:9"], "category": 3},
]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.locomo", *arguments]
    return subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True, timeout=60)


def test_recall_is_told_by_side_and_category(tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(json.dumps([{"sample_id": "x", "conversation": TALK, "qa": ASKED}]))

    done = bench(str(tmp_path / "talk.json"), "--json", "--alone")
    drawn = bench(str(tmp_path / "talk.json"), "--alone")

    rows = json.loads(done.stdout)
    assert list(rows) == ["ours", "fts5", "everything"]
    assert rows["ours"]["recall"] == {"5": 1.0, "10": 1.0, "20": 1.0}
    assert set(rows["ours"]["by_category"]) == {"1", "4", "5"}
    assert rows["everything"]["recall"]["5"] == 1.0
    assert all(row["tokens"] > 0 and row["ms"] >= 0 for row in rows.values())
    assert [line.split()[0] for line in drawn.stdout.splitlines()[:4]] == ["recall", "ours", "fts5", "everything"]


def test_a_file_that_has_no_conversations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text('[{"conversation": {}}]')

    done = bench(str(tmp_path / "talk.json"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "has no conversations" in done.stderr
