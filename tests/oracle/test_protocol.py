"""Field numbers are forever: what a client was built with must go on meaning the same."""

import runpy
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from costmodel.oracle import proto
from costmodel.oracle.proto import oracle_pb2 as pb

GOLDEN = Path(__file__).parents[1] / "golden" / "oracle_protocol.txt"
SERVICE = Path(__file__).parents[2] / "service"


_KINDS = {
    number: name for name, number in vars(FieldDescriptor).items() if name.startswith("TYPE_")
}


def _field(field: FieldDescriptor) -> str:
    kind = _KINDS[field.type]
    of = field.message_type or field.enum_type
    presence = "repeated" if field.is_repeated else ("optional" if field.has_presence else "plain")
    choice = f" oneof {field.containing_oneof.name}" if field.containing_oneof else ""
    return (
        f"{field.full_name} = {field.number} {kind} {of.full_name if of else ''} {presence}{choice}"
    )


def _messages(found: Iterator[Descriptor]) -> Iterator[str]:
    for message in found:
        yield from map(_field, message.fields)
        yield from _messages(iter(message.nested_types))


def described() -> list[str]:
    """A line for all that is on the wire: fields, values of enumerations, methods."""
    file = pb.DESCRIPTOR
    lines = list(_messages(iter(file.message_types_by_name.values())))
    for enum in file.enum_types_by_name.values():
        lines += [f"{enum.full_name}.{value.name} = {value.number}" for value in enum.values]
    for service in file.services_by_name.values():
        for method in service.methods:
            ends = ["stream " * streams + kind.full_name for streams, kind in (
                (method.client_streaming, method.input_type),
                (method.server_streaming, method.output_type))]  # fmt: skip
            lines.append(f"{method.full_name}({ends[0]}) returns {ends[1]}")
    return sorted(lines)


def test_nothing_that_is_on_the_wire_has_changed():
    kept = GOLDEN.read_text().splitlines()
    gone = sorted(set(kept) - set(described()))
    assert not gone, "clients that were built before would misread this"


def test_what_is_new_is_kept_from_now_on():
    new = sorted(set(described()) - set(GOLDEN.read_text().splitlines()))
    assert not new, f"add these lines to {GOLDEN.name}, sorted; they stay for good"


def test_the_python_code_is_that_of_the_protocol(tmp_path):
    runpy.run_path(str(SERVICE / "generate.py"))["generate"](tmp_path)
    kept = Path(proto.__file__).parent
    for made in tmp_path.iterdir():
        assert made.read_text() == (kept / made.name).read_text(), "run `make proto`"


def test_every_field_and_method_is_documented():
    lines = (SERVICE / "oracle.proto").read_text().splitlines()
    methods = [n for n, line in enumerate(lines) if line.strip().startswith("rpc ")]
    assert len(methods) == len(pb.DESCRIPTOR.services_by_name["Oracle"].methods)
    for number in methods:
        assert lines[number - 1].strip().startswith("//"), lines[number]
        above = "".join(lines[max(0, number - 4) : number])
        assert "Scope: " in above, lines[number]
