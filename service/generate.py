"""Write the Python code of ``service/oracle.proto`` into ``costmodel/oracle/proto``.

Run ``make proto`` after a change to the protocol; a test compares what is there with what this
makes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

_SERVICE = Path(__file__).resolve().parent
_PACKAGE = _SERVICE.parent / "costmodel" / "oracle" / "proto"
#: What the file is called in descriptors: a name that no other project takes.
_NAME = "costmodel/v1/oracle.proto"


def generate(folder: Path) -> None:
    """Write the modules, with imports that hold wherever the package is. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as made:
        status = protoc.main([
            "protoc", f"-Icostmodel/v1={_SERVICE}", f"-I{_well_known()}",
            f"--python_out={made}", f"--pyi_out={made}", f"--grpc_python_out={made}", _NAME,
        ])  # fmt: skip
        if status:
            raise RuntimeError(f"the protocol compiler ended with status {status}")
        for file in sorted(Path(made, "costmodel", "v1").iterdir()):
            text = file.read_text(encoding="utf-8")
            text = text.replace("from costmodel.v1 import", "from . import")
            (folder / file.name).write_text(text, encoding="utf-8")


def _well_known() -> Path:
    return Path(protoc.__file__).with_name("_proto")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_PACKAGE, help="the folder to write to")
    try:
        generate(parser.parse_args().out)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
