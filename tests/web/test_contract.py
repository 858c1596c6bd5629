import shutil
import subprocess
from pathlib import Path

import pytest
from served import served  # type: ignore[import-not-found]  # beside this file

FUZZER = shutil.which("schemathesis")


@pytest.mark.skipif(FUZZER is None, reason="schemathesis is not installed")
@pytest.mark.parametrize("most", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_nothing_that_the_document_allows_is_the_servers_fault(tmp_path: Path, most: int) -> None:
    """Requests made from the OpenAPI document alone, one by one and in chains, never meet an error of 5xx."""
    line = [str(FUZZER), "run", "--checks", "not_a_server_error", "--max-examples", str(most), "--seed", "1"]
    line += ["--generation-database", "none", "--no-color"]

    with served(tmp_path, "--rate", "1000") as door:
        done = subprocess.run(
            [*line, f"{door.url}/openapi.json"], check=False, capture_output=True, text=True, cwd=tmp_path
        )

    assert done.returncode == 0, done.stdout[-3000:]
