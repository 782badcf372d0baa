"""Children that answer lines."""

import os
import threading

import pytest

from costmodel.lines import ChildDiedError, LineProcess


@pytest.fixture
def child():
    process = LineProcess("tests.line_child", timeout_s=60)
    yield process
    process.release()


def test_what_a_child_says_over_a_long_life_is_not_all_kept(child):
    for _ in range(8):
        assert child.ask(b"600000") == b"600000"
    assert os.fstat(child._errors.fileno()).st_size < 3 << 20


def test_the_last_words_are_those_of_the_child_that_died(child):
    child.ask(b"600000")
    child.close()
    child.ask(b"1")
    with pytest.raises(ChildDiedError) as caught:
        child.ask(b"die")
    assert (caught.value.status, caught.value.said) == (3, "xfarewell")


def test_whether_a_child_runs_is_known(child):
    assert not child.running
    child.ask(b"0")
    assert child.running
    with pytest.raises(ChildDiedError):
        child.ask(b"die")
    assert not child.running


def test_a_child_that_is_released_while_it_starts_is_not_waited_for(child, monkeypatch):
    started, go = threading.Event(), threading.Event()
    begin = child._forget

    def slow():
        started.set()
        assert go.wait(60)
        begin()

    monkeypatch.setattr(child, "_forget", slow)
    found = []

    def ask():
        try:
            found.append(child.ask(b"0" * 100))
        except ChildDiedError as error:
            found.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert started.wait(60)
    releasing = threading.Thread(target=child.release)
    releasing.start()
    while not child._released:
        pass
    go.set()
    asking.join(60)
    releasing.join(60)
    assert isinstance(found[0], ChildDiedError)
