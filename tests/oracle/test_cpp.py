"""The client in C++: it builds without a warning, and says what the server says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from costmodel.oracle import channel
from costmodel.oracle.convert import measurement_to, target_to
from costmodel.oracle.proto import oracle_pb2 as pb
from costmodel.oracle.status import OverloadedError, UnreachableError, status_of
from costmodel.records import Schedule, TimingPolicy
from tests.oracle.answering import answering
from tests.oracle.papers import issue, write_authority
from tests.oracle.texts import KERNEL
from tests.store import builders

SOURCE = Path(__file__).parents[2] / "service" / "clients" / "cpp"
_COSTMODEL = (sys.executable, "-m", "costmodel.cli")
NEEDED = ("cmake", "g++", "pkg-config", "protoc", "grpc_cpp_plugin")


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        why = f"{', '.join(missing)} missing: .ci/packages says what to install"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    build = tmp_path_factory.mktemp("cpp")
    flags = "-DCMAKE_CXX_FLAGS=-O0 -Werror"
    for command in (["cmake", "-S", SOURCE, "-B", build, flags],
                    ["cmake", "--build", build, "-j2"]):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return build


@pytest.fixture
def ask(programs, tmp_path, monkeypatch):
    for name in ("COSTMODEL_ORACLE", "COSTMODEL_ORACLE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    kernel = tmp_path / "kernel.mlir"
    kernel.write_text(KERNEL)

    def call(*arguments, file=kernel):
        return subprocess.run(
            [programs / "costmodel_rank", file, *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return call


def test_its_ranking_is_the_servers(ask, shared):
    done = ask("--oracle", shared.address, "--n", 24, "--top", 6, "--seed", 5, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    answer = shared.stub().Rank(
        pb.RankRequest(workload=pb.Workload(mlir=KERNEL), count=24, top=6, seed=5)
    )
    assert found["function"] == "product"
    assert found["model"] == answer.model == "transformer"
    assert [one["schedule_hash"] for one in found["schedules"]] == [
        one.schedule_hash for one in answer.schedules
    ]
    for one, there in zip(found["schedules"], answer.schedules, strict=True):
        assert one["predicted_us"] == pytest.approx(there.predicted_us, rel=1e-4)
        assert one["schedule"] == json.loads(there.schedule.text)


def test_what_a_kernel_takes(programs, shared, tmp_path):
    kernel = tmp_path / "kernel.mlir"
    kernel.write_text(KERNEL.replace("@product", "@of_test_cpp"))

    def cost():
        return subprocess.run(
            [programs / "costmodel_cost", shared.address, kernel],
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip

    there = shared.stub().Predict(pb.PredictRequest(workload=pb.Workload(mlir=kernel.read_text())))
    first, predicted, _, roofline, measured = cost()
    assert first == f"of_test_cpp on {there.target}"
    assert float(predicted.split()[1]) == pytest.approx(there.latency_us, rel=1e-4)
    assert float(roofline.split()[1]) == pytest.approx(there.roofline_us, rel=1e-4)
    assert measured == "measured   nothing yet"
    found = builders.measurement(
        12.5, workload=there.workload, target=there.target_hash, policy=TimingPolicy(),
        schedule=Schedule("tvm", '{"kind":"default"}'),
        environment=builders.installed("tvm"),
    )  # fmt: skip
    workload = pb.Workload(mlir=kernel.read_text())
    shared.stub().Record(
        pb.RecordRequest(workloads=[workload], measurements=[measurement_to(found)])
    )
    assert cost()[-1] == 'measured   12.5 us, by tvm: {"kind":"default"}'


def test_of_a_target_without_measurements_nothing_is_known(programs, shared, tmp_path):
    kernel = tmp_path / "kernel.mlir"
    kernel.write_text(KERNEL)

    def cost(target):
        return subprocess.run(
            [programs / "costmodel_cost", shared.address, kernel, target],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    known = shared.stub().RegisterTarget(
        pb.RegisterTargetRequest(target=target_to(builders.target(cpu="of test_cpp")))
    )
    done = cost(known.hash)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "measured   nothing yet"
    done = cost("0" * 64)
    assert done.returncode == 2, done.stderr
    assert "no target has the hash 0000" in done.stderr


def test_a_table_for_people(ask, shared):
    done = ask("--oracle", shared.address, "--n", 8, "--top", 3)
    assert done.returncode == 0, done.stderr
    first, _, *rows = done.stdout.splitlines()
    assert first.startswith("product on ")
    assert [row.split()[0] for row in rows[:3]] == ["1", "2", "3"]


def test_latencies_have_three_digits(ask):
    async def rank(request, context):
        one = pb.RankedSchedule(rank=1, predicted_us=0.1234, low_us=0.04567, high_us=1234.6)
        return pb.RankResponse(schedules=[one])

    with answering(Rank=rank) as address:
        done = ask("--oracle", address)
    assert done.stdout.splitlines()[-1].split()[1:5] == ["0.123", "0.0457", "to", "1235"]


def test_a_bad_kernel_is_said_with_its_place(ask, shared, tmp_path):
    bad = tmp_path / "bad.mlir"
    bad.write_text("func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %y\n}\n")
    done = ask("--oracle", shared.address, file=bad)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{bad}:2:"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n", "many"], "--n: many is no whole number from 0 to 2147483647"),
        (["--n", "-3"], "--n: -3 is no whole number from 0 to"),
        (["--timeout", "-1"], "--timeout: -1 is no whole number from 1 to"),
        (["--timeout", "0"], "--timeout: 0 is no whole number from 1 to"),
        (["--nothing", "1"], "no option is called --nothing"),
        (["--top"], "needs a value"),
        (["--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem: error: cannot be read"),
        (["--token-file", "/nowhere/token"], "/nowhere/token: error: cannot be read"),
        (["--token-file", ""], "cannot be read"),
        (["--backend", "x"], "no option is called --backend"),
    ],
)
def test_bad_usage(ask, arguments, said):
    done = ask(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("option", "what"),
    [("--ca", "certificate"), ("--cert", "certificate"), ("--key", "private key")],
)
def test_a_file_that_is_no_certificate(ask, tmp_path, option, what):
    file = tmp_path / "file.pem"
    file.write_text("hello\n")
    done = ask("--oracle", "127.0.0.1:1", option, file)
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()
    assert first == f"{file}: error: this is no {what}"
    assert "PEM is wanted" in hint


def test_a_file_that_is_not_there(ask, tmp_path):
    done = ask(file=tmp_path / "none.mlir")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr


@pytest.mark.parametrize("program", ["costmodel_rank", "costmodel_cost"])
@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", " error: is empty"),
     (b"// \xc3\xbc\n// \xc3\xbc\xff\n", "2:5: error: not UTF-8: byte 0xff"),
     (b"\xed\xa0\x80", "1:1: error: not UTF-8: byte 0xed"),
     (b"ab\xf0\x9f\x98", "1:3: error: not UTF-8: byte 0xf0")],
)  # fmt: skip
def test_a_file_that_is_no_text(programs, tmp_path, program, data, said):
    """Of which protobuf would complain on standard error, and send it."""
    file = tmp_path / "kernel.mlir"
    file.write_bytes(data)
    arguments = ["127.0.0.1:1", file] if program == "costmodel_cost" else [file]
    done = subprocess.run(
        [programs / program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    first, *hints = done.stderr.splitlines()
    assert first == f"{file}:{said}"
    assert hints in ([], ["hint: save the file as UTF-8"])


def test_a_folder_is_no_file(ask, tmp_path):
    done = ask(file=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"{tmp_path}: error: cannot be read\n")


def test_names_that_are_no_utf8(ask, tmp_path):
    """That of a file is for people alone; others are looked for."""
    asked = []

    async def rank(request, context):
        asked.append(request)
        return pb.RankResponse()

    file = tmp_path / os.fsdecode(b"\xff\xf0\x9f\x98\x80.mlir")
    file.write_text(KERNEL)
    with answering(Rank=rank) as address:
        done = ask("--oracle", address, file=file)
        refused = ask("--oracle", address, "--function", os.fsdecode(b"\xff"))
    assert (done.returncode, done.stderr) == (0, "")
    assert [one.workload.file_name for one in asked] == [f"{tmp_path}/?\U0001f600.mlir"]
    assert (refused.returncode, refused.stderr) == (2, "error: function is not UTF-8\n")


def test_what_is_too_large_for_the_server_is_bad_input(ask, serve, tmp_path):
    server = serve("--max-message", "1")
    file = tmp_path / "large.mlir"
    file.write_text(KERNEL + "// " + "x" * (1 << 20))
    done = ask("--oracle", server.address, file=file)
    assert done.returncode == 2, done.stderr
    assert "is too large" in done.stderr
    assert "costmodel serve --max-message MIB" in done.stderr


def test_nobody_answers(ask):
    done = ask("--oracle", "127.0.0.1:1", "--timeout", 2)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "costmodel serve" in done.stderr


def test_tokens_and_certificates(ask, serve, tmp_path):
    clients, good, bad = (tmp_path / name for name in ("clients.toml", "good", "bad"))
    made = subprocess.run(
        [*_COSTMODEL, "token", "compiler", "--scope", "read", "--clients", clients],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    good.write_text(made.stdout)
    bad.write_text("guessed\n")
    authority = trustme.CA()
    ca, ours = write_authority(tmp_path, authority), issue(tmp_path, authority, "127.0.0.1")
    mine = issue(tmp_path, authority, "compiler.example", file="client")
    server = serve("--clients", clients, "--tls-cert", ours.cert, "--tls-key", ours.key,
                   "--client-ca", ca)  # fmt: skip
    asked = ["--oracle", server.address, "--n", "4", "--ca", ca, "--cert", mine.cert,
             "--key", mine.key]  # fmt: skip
    for token, status in ((good, 0), (bad, 2)):
        done = ask(*asked, "--token-file", token)
        assert done.returncode == status, done.stderr
    strangers = ["--oracle", server.address, "--tls", "--token-file", good, "--timeout", 5]
    assert ask(*strangers).returncode == 1  # nobody vouches for the server
    assert ask(*strangers, "--ca", ca).returncode == 1  # nor for the client


@pytest.mark.parametrize("host", ["oracle.example", "127.evil.example", "10.0.0.1"])
def test_a_token_is_not_sent_in_the_clear(ask, tmp_path, host):
    token = tmp_path / "token"
    token.write_text("secret\n")
    done = ask("--oracle", f"{host}:50151", "--token-file", token)
    assert done.returncode == 2
    assert "in the clear" in done.stderr


@pytest.mark.parametrize("token", ["two\nlines", "two words", "\n", "gr\u00fcn", "\x7f"])
def test_a_token_that_no_call_can_carry_is_bad_usage(ask, monkeypatch, token):
    monkeypatch.setenv("COSTMODEL_ORACLE_TOKEN", token)
    done = ask("--oracle", "127.0.0.1:1")
    assert done.returncode == 2, done.stderr
    assert "the token is empty or has characters that none has" in done.stderr


@pytest.mark.parametrize("token", ["two\nlines\n", " \n", "\v"])
def test_nor_is_one_from_a_file(ask, tmp_path, token):
    file = tmp_path / "token"
    file.write_text(token)
    done = ask("--oracle", "127.0.0.1:1", "--token-file", file)
    assert done.returncode == 2, done.stderr
    assert "the token is empty or has characters that none has" in done.stderr


def test_white_space_around_a_token_is_none_of_it(ask, monkeypatch):
    sent = []

    async def rank(request, context):
        sent.append(dict(context.invocation_metadata())["authorization"])
        return pb.RankResponse()

    monkeypatch.setenv("COSTMODEL_ORACLE_TOKEN", " s3cret\r\n")
    with answering(Rank=rank) as address:
        done = ask("--oracle", address)
    assert done.returncode == 0, done.stderr
    assert sent == ["Bearer s3cret"]


@pytest.mark.parametrize("failures", [4, 5])
@pytest.mark.parametrize("error", [OverloadedError("full", retry_s=0.01), UnreachableError("ends")])
def test_a_server_that_is_away_or_busy_is_asked_as_often_as_from_python(ask, error, failures):
    calls = []

    async def rank(request, context):
        calls.append(request)
        if len(calls) <= failures:
            status = status_of(error)
            await context.abort(status.code, status.details, status.trailing_metadata)
        return pb.RankResponse()

    with answering(Rank=rank) as address:
        done = ask("--oracle", address)
    assert len(calls) == channel._RETRIES["maxAttempts"] == 5
    assert done.returncode == (0 if failures < 5 else 1), done.stderr


def test_help_names_every_option(ask):
    done = ask("--help")
    assert done.returncode == 0
    source = (SOURCE / "examples" / "costmodel_rank.cc").read_text()
    for name in ("--oracle", "--tls", "--function", "--timeout", "--json"):
        assert name in done.stdout
        assert f'"{name}"' in source
