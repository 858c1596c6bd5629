from atomic_agents.core.document import parse
from atomic_agents.memory import consolidate
from atomic_agents.memory.consolidate import Day, Memo
from atomic_agents.memory.revise import Held
from atomic_agents.vault import note


def memo(name: str, body: str) -> Memo:
    text = f"---\nname: {name}\ndescription: d\ntype: user\n---\n\n{body}\n"
    document = parse(f"a/memory/{name}.md", text.encode())
    return Memo(Held(note.read(document, f"{name}.md"), document))


def files(batches: object) -> list[list[str]]:
    assert isinstance(batches, list | tuple)
    return [[each.file for each in batch] for batch in batches]


def test_notes_about_one_thing_are_read_together() -> None:
    notes = [memo(f"n{number}", f"the usual words every note has, and unusual{number}") for number in range(60)]
    notes[3] = memo("n3", "the usual words; walnut boards cost £610 at Calder")
    notes[50] = memo("n50", "every note; Calder asks £610 for boards of walnut")

    groups = files(consolidate.grouped(notes))

    assert [group for group in groups if len(group) > 1] == [["n3.md", "n50.md"]]
    assert sorted(file for group in groups for file in group) == sorted(each.file for each in notes)


def test_a_batch_holds_what_fits_and_a_group_stays_together_where_it_can() -> None:
    groups = [[Day(name, "x" * size) for name, size in group] for group in (
        [("a", 30)], [("b", 30), ("c", 30)], [("d", 500)], [("e", 60), ("f", 60)],
    )]  # fmt: skip

    packed = consolidate.pack(groups, 170, len)

    assert files(packed.batches) == [["a"], ["b", "c"], ["e"], ["f"]]
    assert packed.too_long == ("d",)


def test_nothing_is_packed_into_nothing() -> None:
    assert consolidate.pack([], 100, len) == consolidate.Packed((), ())
