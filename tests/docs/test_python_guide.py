import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_snippet_of_the_guide_runs(vault_copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = vault_copy("samples")
    model = root / "caldwell" / "model.md"
    text = re.sub(r"^model: .*$", "model: embedded:quote", model.read_text(), flags=re.MULTILINE)
    model.write_text(text if "embedded:quote" in text else "---\nschema_version: 2\nmodel: embedded:quote\n---\n")
    snippets = _SNIPPET.findall((ROOT / "docs" / "guides" / "python.md").read_text(encoding="utf-8"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "OPENAI"))}
    environ |= {"ATOMIC_AGENTS_ROOT": str(root), "HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(snippets)], env=environ, check=False, capture_output=True,
        encoding="utf-8", timeout=120,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert len(snippets) == 6
    assert "caldwell/wiki/oak_table_tops.md" in done.stdout
    assert "Which oil for a table? → from the vault:" in done.stdout
