"""Where the repository is, and an environment in which a transcript can be played."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `scripts` is no package and is not installed

Play = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run scripts/transcript.py in an empty folder beside `src`, with an empty HOME and without any key."""
    commands, folder, home = tmp_path / "bin", tmp_path / "work", tmp_path / "home"
    for made in (commands, folder, home):
        made.mkdir()
    for name, arguments in (("atomic-agents", "-m atomic_agents "), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (commands / name).chmod(0o755)
    for name in ("src", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    ours = ("ATOMIC_AGENTS_", "ANTHROPIC_", "OPENAI_", "OLLAMA_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environ |= {"HOME": str(home), "PATH": f"{commands}:{os.environ['PATH']}", "NO_COLOR": "1"}

    def run(mode: str, file: Path) -> subprocess.CompletedProcess[str]:
        script = ROOT / "scripts" / "transcript.py"
        command = [sys.executable, str(script), mode, str(file), "--in", str(folder)]
        return subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=120)

    return run
