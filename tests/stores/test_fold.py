from hypothesis import given
from hypothesis import strategies as st

from atomic_agents.stores.fold import is_between

BYTES = st.binary(min_size=1, max_size=60)


@given(BYTES, BYTES, st.data())
def test_a_write_that_was_cut_short_is_between(before: bytes, after: bytes, data: st.DataObject) -> None:
    written = data.draw(st.integers(0, len(after)))

    assert is_between(after[:written] + before[written:], before, after)


@given(BYTES, BYTES)
def test_both_ends_are_between(before: bytes, after: bytes) -> None:
    assert is_between(before, before, after)
    assert is_between(after, before, after)


@given(BYTES, BYTES, st.data())
def test_a_byte_of_neither_is_not_between(before: bytes, after: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, min(len(before), len(after)) - 1))
    foreign = next(byte for byte in range(1, 256) if byte not in (before[place], after[place]))

    assert not is_between(before[:place] + bytes([foreign]) + before[place + 1 :], before, after)


@given(BYTES, BYTES)
def test_another_length_is_not_between(before: bytes, after: bytes) -> None:
    assert not is_between(b"\0" * (max(len(before), len(after)) + 1), before, after)
    assert not is_between(b"\0" * (min(len(before), len(after)) - 1), before, after)
