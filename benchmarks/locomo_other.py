"""The other implementation's own search, for `benchmarks.locomo`: each turn is a page of its wiki.

As a program, `locomo_other.py FOLDER` in its own environment, it answers each line on stdin, a query as JSON, with the
names of the pages that it finds.
"""

import contextlib
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the child has none of our modules
    from benchmarks.sides import Side

_MOST = 20


@contextlib.contextmanager
def search(side: "Side", texts: Sequence[str], folder: Path) -> Iterator[Callable[[str], Sequence[int]]]:
    """A search of the other's over `texts`, which returns their numbers."""
    wiki = folder / "agent" / "wiki"
    wiki.mkdir(parents=True)
    for number, text in enumerate(texts):
        head = f"---\nschema_version: 1\nname: turn {number}\ndescription: a turn\ntype: wiki_page\n---\n"
        (wiki / f"turn_{number:05}.md").write_text(f"{head}\n{text}\n", encoding="utf-8")
    command = [*side.python, str(Path(__file__).resolve()), str(folder / "agent")]
    environment = side.environment(folder, folder)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    ) as child:
        asked, answered = child.stdin, child.stdout
        if asked is None or answered is None or answered.readline() != "ready\n":
            raise OSError("it has no search of pages")

        def ask(query: str) -> Sequence[int]:
            print(json.dumps(query), file=asked, flush=True)
            names = json.loads(answered.readline())
            return [int(Path(name).stem.rpartition("_")[2]) for name in names]

        yield ask
        asked.close()


def main(folder: str) -> None:
    """Answer until stdin ends."""
    store = importlib.import_module("atomic_agents.corpus.filesystem").FilesystemCorpusBackend(folder)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps([found.name for found in store.query(json.loads(line), "wiki", top_k=_MOST)]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
