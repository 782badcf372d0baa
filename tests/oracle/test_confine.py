"""What a confined process can still do: each in a process of its own, tried out."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from costmodel.errors import UsageError
from costmodel.oracle import confine

pytestmark = pytest.mark.skipif(
    confine.landlock_version() < 1, reason="this kernel has no Landlock"
)

#: Confines itself to the folder ``given``, then says what became of each attempt.
_BEFORE = """
import json, os, socket, subprocess, sys
from pathlib import Path
from costmodel.oracle.confine import confine
folder, more = Path(sys.argv[1]), json.loads(sys.argv[2])
if sys.argv[3] == "confined":
    confine(folder)
os.environ["TMPDIR"] = str(folder)
said = {}
def attempt(name, call):
    try:
        said[name] = ["done", repr(call())]
    except BaseException as error:
        said[name] = [type(error).__name__, str(error)]
"""
_AFTER = "\nprint(json.dumps(said))\n"


def attempts(
    script: str, folder: Path, *, confined: bool = True, beginning: str = _BEFORE, **more: Any
) -> dict[str, list[str]]:
    folder.mkdir(exist_ok=True)
    found = subprocess.run(
        [sys.executable, "-c", beginning + script + _AFTER, str(folder), json.dumps(more),
         "confined" if confined else "free"],
        capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    said: dict[str, list[str]] = json.loads(found.stdout)
    return said


_FILES = """
secret = Path(more["secret"])
attempt("read", lambda: secret.read_text())
attempt("list", lambda: os.listdir(secret.parent))
attempt("write", lambda: secret.with_name("new").write_text("x"))
attempt("change", lambda: secret.open("a").write("x"))
attempt("remove", lambda: secret.unlink())
attempt("link", lambda: os.link(secret, folder / "linked"))
os.symlink(secret, folder / "symbolic")
attempt("through a link", lambda: (folder / "symbolic").read_text())
attempt("below", lambda: subprocess.run(["cat", str(secret)], check=True, capture_output=True))
"""


def test_files_of_others_are_out_of_reach(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    secret = private / "secret"
    secret.write_text("hunter2")
    said = attempts(_FILES, tmp_path / "run", secret=str(secret))
    assert {name: kind for name, (kind, _) in said.items()} == {
        "read": "PermissionError", "list": "PermissionError", "write": "PermissionError",
        "change": "PermissionError", "remove": "PermissionError", "link": "OSError",
        "through a link": "PermissionError", "below": "CalledProcessError",
    }  # fmt: skip
    assert secret.read_text() == "hunter2"
    assert os.listdir(private) == ["secret"]


def test_the_attempts_succeed_where_nothing_is_confined(tmp_path: Path) -> None:
    """So that the test above is about the cage, and not about a mistake in the attempts."""
    (tmp_path / "private").mkdir()
    secret = tmp_path / "private" / "secret"
    secret.write_text("hunter2")
    script = _FILES.replace('attempt("remove", lambda: secret.unlink())\n', "")
    said = attempts(script, tmp_path / "run", confined=False, secret=str(secret))
    assert {kind for kind, _ in said.values()} == {"done"}


def test_secrets_of_the_user_and_of_the_system(tmp_path: Path) -> None:
    home = Path.home()
    places = [home, home / ".ssh", Path("/etc/shadow"), Path("/root"), Path("/dev/shm"),
              Path("/tmp")]  # fmt: skip
    script = """
for name in more["places"]:
    place = Path(name)
    if place.exists():
        attempt(name, lambda: os.listdir(place) if place.is_dir() else place.read_bytes())
attempt("shared memory", lambda: open("/dev/shm/costmodel-test", "w"))
attempt("temporary", lambda: open("/tmp/costmodel-test", "w"))
"""
    said = attempts(script, tmp_path / "run", places=[str(one) for one in places])
    assert len(said) > 2
    assert {kind for kind, _ in said.values()} == {"PermissionError"}


def test_no_socket_reaches_anybody(tmp_path: Path) -> None:
    script = """
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", more["port"]), timeout=10))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect(more["path"]))
attempt("pair", lambda: [one.close() for one in socket.socketpair()])
"""
    path = tmp_path / "socket"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(path))
        local.listen()
        facts = {"port": listener.getsockname()[1], "path": str(path)}
        free = attempts(script, tmp_path / "free", confined=False, **facts)
        said = attempts(script, tmp_path / "run", **facts)
    assert {kind for kind, _ in free.values()} == {"done"}
    assert said.pop("pair")[0] == "done"  # workers talk by these
    assert {kind for kind, _ in said.values()} == {"PermissionError"}


def test_landlock_alone_forbids_tcp(tmp_path: Path) -> None:
    """Where the filter of system calls does not know the processor."""
    if confine.landlock_version() < 4:
        pytest.skip("this kernel's Landlock does not know TCP")
    script = """
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", more["port"]), timeout=10))
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
"""
    before = _BEFORE.replace(
        "from costmodel.oracle.confine import confine",
        "from costmodel.oracle.confine import confine\n"
        "import costmodel.oracle.confine as parts; parts._filter_calls = lambda: None",
    )
    (tmp_path / "run").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = subprocess.run(
            [sys.executable, "-c", before + script + _AFTER, str(tmp_path / "run"),
             json.dumps({"port": listener.getsockname()[1]}), "confined"],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
    said = json.loads(found.stdout)
    assert {kind for kind, _ in said.values()} == {"PermissionError"}


def test_the_server_is_out_of_reach(tmp_path: Path) -> None:
    script = """
parent = os.getppid()
attempt("signal", lambda: os.kill(parent, 0))
attempt("environment", lambda: Path(f"/proc/{parent}/environ").read_bytes())
attempt("memory", lambda: open(f"/proc/{parent}/mem", "rb"))
"""
    said = attempts(script, tmp_path / "run")
    if confine.landlock_version() < 6:
        said.pop("signal")
    assert {kind for kind, _ in said.values()} == {"PermissionError"}


def test_limits_of_others_are_out_of_reach(tmp_path: Path) -> None:
    """RLIMIT_CPU would end the server. The attempts set what is set already."""
    script = """
import resource
parent, core = os.getppid(), resource.RLIMIT_CORE
attempt("read", lambda: resource.prlimit(parent, core))
attempt("set", lambda: resource.prlimit(parent, core, resource.prlimit(0, core)))
attempt("own", lambda: resource.setrlimit(core, resource.getrlimit(core)))
"""
    free = attempts(script, tmp_path / "free", confined=False)
    assert free["read"][0] == "done"
    said = attempts(script, tmp_path / "run")
    assert {name: kind for name, (kind, _) in said.items()} == {
        "read": "PermissionError", "set": "PermissionError", "own": "done",
    }  # fmt: skip


@pytest.fixture
def another(tmp_path: Path) -> Iterator[int]:
    """The id of another confined process: one of root's with its rights is out of reach anyway."""
    (tmp_path / "another").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", _BEFORE + "print(flush=True)\nsys.stdin.read()",
         str(tmp_path / "another"), "{}", "confined"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.kill()


def test_priorities_of_others_are_out_of_reach(tmp_path: Path, another: int) -> None:
    """The attempts set what is set already."""
    script = """
import ctypes, platform, threading
libc, numbers = ctypes.CDLL(None, use_errno=True), more["numbers"][platform.machine()]
def call(name, *arguments):
    result = libc.syscall(numbers[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
def attributes(pid):
    found = ctypes.create_string_buffer(48)
    call("sched_getattr", pid, found, 48, 0)
    return found
for name, pid in ("another's", more["another"]), ("own", 0):
    policy, given = os.sched_getscheduler(0), os.sched_param(0)
    nice, io = os.getpriority(os.PRIO_PROCESS, 0), call("ioprio_get", 1, 0)
    attempt(f"{name} policy", lambda: os.sched_setscheduler(pid, policy, given))
    attempt(f"{name} parameter", lambda: os.sched_setparam(pid, given))
    attempt(f"{name} attributes", lambda: call("sched_setattr", pid, attributes(pid), 0))
    attempt(f"{name} nice", lambda: os.setpriority(os.PRIO_PROCESS, pid, nice))
    attempt(f"{name} io", lambda: call("ioprio_set", 1, pid, io))
attempt("another's group", lambda: os.setpriority(os.PRIO_PGRP, 0, nice))
attempt("own nicer", lambda: os.nice(1))
thread = threading.Thread(target=threading.Event().wait, daemon=True)
thread.start()
attempt("own cores", lambda: os.sched_setaffinity(thread.native_id, {min(os.sched_getaffinity(0))}))
"""
    numbers = {
        "x86_64": {"sched_setattr": 314, "sched_getattr": 315, "ioprio_set": 251,
                   "ioprio_get": 252},
        "aarch64": {"sched_setattr": 274, "sched_getattr": 275, "ioprio_set": 30,
                    "ioprio_get": 31},
    }  # fmt: skip
    free = attempts(script, tmp_path / "free", confined=False, another=another, numbers=numbers)
    assert {kind for kind, _ in free.values()} == {"done"}
    said = attempts(script, tmp_path / "run", another=another, numbers=numbers)
    assert {name: kind for name, (kind, _) in said.items()} == {
        name: "done" if name.startswith("own") else "PermissionError" for name in free
    }


def test_where_landlock_does_not_know_of_cutting_off_the_filter_does(tmp_path: Path) -> None:
    script = """
secret, own = Path(more["secret"]), folder / "own"
own.write_text("mine")
attempt("another's", lambda: os.truncate(secret, 0))
attempt("by opening it", lambda: secret.open("w"))
attempt("own", lambda: own.open("r+").truncate(2))
"""
    secret = tmp_path / "secret"
    before = _BEFORE.replace(
        "from costmodel.oracle.confine import confine",
        "from costmodel.oracle.confine import confine\n"
        "import costmodel.oracle.confine as parts; parts.landlock_version = lambda: 2",
    )
    for beginning in (_BEFORE, before):
        secret.write_text("hunter2")
        said = attempts(script, tmp_path / "run", beginning=beginning, secret=str(secret))
        assert {name: kind for name, (kind, _) in said.items()} == {
            "another's": "PermissionError", "by opening it": "PermissionError", "own": "done",
        }  # fmt: skip
        assert secret.read_text() == "hunter2"
        assert (tmp_path / "run" / "own").read_text() == "mi"


def test_what_is_not_held_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, machine, words in (
        (6, "x86_64", []), (5, "aarch64", ["signals"]), (1, "riscv64", ["signals", "sockets"]),
    ):  # fmt: skip
        monkeypatch.setattr(confine, "landlock_version", lambda version=version: version)
        monkeypatch.setattr(confine.platform, "machine", lambda machine=machine: machine)
        gaps = confine.gaps()
        assert len(gaps) == len(words)
        assert all(word in gap for word, gap in zip(words, gaps, strict=True))


_MARKS = """
import ctypes, platform
libc, file = ctypes.CDLL(None, use_errno=True), Path(more["file"])
name = str(file).encode()
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
def opened(call, flags=os.O_RDONLY):
    descriptor = os.open(file, flags)
    try:
        call(descriptor)
    finally:
        os.close(descriptor)
mode = file.stat().st_mode & 0o777
attempt("chmod", lambda: os.chmod(file, mode))
attempt("fchmod", lambda: opened(lambda it: os.chmod(it, mode)))
attempt("fchmodat", lambda: call(libc.fchmodat(-100, name, mode, 0)))
attempt("chown", lambda: os.chown(file, -1, -1))
attempt("lchown", lambda: os.lchown(file, -1, -1))
attempt("fchown", lambda: opened(lambda it: os.chown(it, -1, -1)))
attempt("fchownat", lambda: call(libc.fchownat(-100, name, -1, -1, 0)))
attempt("utimensat", lambda: os.utime(file))
attempt("futimens", lambda: opened(os.utime))
attempt("utime", lambda: call(libc.utime(name, None)))
attempt("utimes", lambda: call(libc.utimes(name, None)))
attempt("futimesat", lambda: call(libc.futimesat(-100, name, None)))
attempt("setxattr", lambda: os.setxattr(file, "user.test", b""))
attempt("lsetxattr", lambda: os.setxattr(file, "user.test", b"", follow_symlinks=False))
attempt("fsetxattr", lambda: opened(lambda it: os.setxattr(it, "user.test", b"")))
attempt("removexattr", lambda: os.removexattr(file, "user.test"))
attempt("lremovexattr", lambda: os.removexattr(file, "user.test", follow_symlinks=False))
attempt("fremovexattr", lambda: opened(lambda it: os.removexattr(it, "user.test")))
for number in (452, 463, 466, 469):
    attempt(str(number), lambda: call(libc.syscall(number, -100, name, 0, 0, 0, 0)))
"""


def test_no_file_is_marked(tmp_path: Path) -> None:
    """Neither one that may not be read nor, by a descriptor, one that may."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o600)
    free = attempts(_MARKS, tmp_path / "free", confined=False, file=str(secret))
    failed = {name for name, (kind, _) in free.items() if kind != "done"}
    # Some file systems have no attributes, and some kernels not all of the calls.
    assert {name for name in failed if "xattr" not in name} <= {"452", "463", "466", "469"}
    own = tmp_path / "free" / "own"
    own.touch()
    for file, folder in ((secret, "run"), (own, "free"), (Path(confine.__file__), "run")):
        before = file.stat()
        said = attempts(_MARKS, tmp_path / folder, file=str(file))
        assert {kind for kind, _ in said.values()} == {"PermissionError"}
        assert file.stat() == before


def test_what_a_run_needs_works(tmp_path: Path) -> None:
    script = """
source = folder / "program.c"
attempt("write", lambda: source.write_text("int seven(void) { return 7; }"))
attempt("compile", lambda: subprocess.run(
    ["cc", str(source), "-shared", "-o", str(folder / "library.so")], check=True,
    capture_output=True))
import ctypes, shutil, sqlite3, tempfile
attempt("load", lambda: ctypes.CDLL(str(folder / "library.so")).seven())
attempt("python", lambda: subprocess.run(
    [sys.executable, "-c", "import numpy, costmodel.session, costmodel.dialects"], check=True,
    capture_output=True))
attempt("copy", lambda: shutil.copyfile(source, folder / "copy.c"))
attempt("move", lambda: shutil.move(folder / "copy.c", folder / "moved.c"))
with tempfile.TemporaryDirectory() as place, tempfile.NamedTemporaryFile(dir=place) as file:
    attempt("temporary", lambda: file.write(b"x"))
with sqlite3.connect(folder / "database") as database:
    attempt("log", lambda: database.execute("PRAGMA journal_mode = WAL").fetchone())
    attempt("table", lambda: database.execute("CREATE TABLE t (x)"))
attempt("rename", lambda: source.rename(folder / "renamed.c"))
attempt("null", lambda: open("/dev/null", "w").write("x"))
status = Path("/proc/self/status").read_text()
attempt("rights", lambda: [line.split()[1] for line in status.splitlines() if "CapEff" in line])
"""
    said = attempts(script, tmp_path / "run")
    assert {name: kind for name, (kind, _) in said.items() if kind != "done"} == {}
    assert said["load"][1] == "7"
    assert said["log"][1] == "('wal',)"
    assert said["rights"][1] == "['0000000000000000']"


def test_a_process_with_threads_is_refused(tmp_path: Path) -> None:
    script = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
attempt("late", lambda: confine(folder))
"""
    kind, message = attempts(script, tmp_path / "run", confined=False)["late"]
    assert kind == "CostModelError"
    assert "one thread" in message


def test_without_landlock_tuning_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    confine.check()
    monkeypatch.setattr(confine, "landlock_version", lambda: 0)
    with pytest.raises(UsageError, match="no Landlock") as caught:
        confine.check()
    assert "--unconfined-tuning" in str(caught.value)
