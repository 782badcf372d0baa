"""Flags of IREE's compiler that change a kernel's speed: knobs of the whole function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from costmodel.records import Target

__all__ = ["FLAGS", "are_known", "flag_options", "presets", "roots_stay"]

#: What each flag may be set to; not to pass it is the other option of each.
FLAGS: Mapping[str, tuple[str, ...]] = {
    # How dispatches are formed: which producers and consumers become one kernel.
    "iree-dispatch-creation-element-wise-fuse-multi-reduction": ("false",),
    "iree-dispatch-creation-enable-aggressive-fusion": ("true",),
    "iree-dispatch-creation-enable-split-reduction": ("true",),
    "iree-dispatch-creation-enable-fuse-padding-into-linalg-consumer-ops": ("true",),
    "iree-dispatch-creation-fuse-multi-use": ("false",),
    # What becomes of an operation before it is tiled.
    "iree-global-opt-use-im2col-for-convs": ("true",),
    "iree-opt-data-tiling": ("true",),
    "iree-opt-generalize-matmul": ("true",),
    "iree-opt-level": ("O2", "O3"),
    # How the tiles are chosen, where no tiling is given, and what becomes of their remainders.
    "iree-llvmcpu-disable-distribution": ("true",),
    "iree-llvmcpu-distribution-size": ("16", "32", "128", "256"),
    "iree-llvmcpu-enable-ukernels": ("all",),
    # Threads that tiles are chosen for; how many run is the target's to say.
    "iree-llvmcpu-number-of-threads": ("1", "2", "4", "16"),
    "iree-llvmcpu-max-allowed-number-of-native-vectors": ("128", "1024"),
    "iree-llvmcpu-target-vector-width-in-bytes": ("16", "32", "64"),
    "iree-llvmcpu-vector-pproc-strategy": ("mask", "none", "peel"),
}

#: Sets of flags that experience recommends, the most useful first.
_PRESETS: Sequence[Mapping[str, str]] = (
    {"iree-opt-data-tiling": "true"},
    {"iree-llvmcpu-vector-pproc-strategy": "peel"},
    {"iree-opt-level": "O3"},
    {"iree-opt-data-tiling": "true", "iree-llvmcpu-enable-ukernels": "all"},
    {"iree-dispatch-creation-enable-aggressive-fusion": "true"},
    {"iree-opt-level": "O3", "iree-llvmcpu-vector-pproc-strategy": "peel"},
    {"iree-llvmcpu-target-vector-width-in-bytes": "64"},
    {"iree-global-opt-use-im2col-for-convs": "true"},
    {"iree-dispatch-creation-enable-fuse-padding-into-linalg-consumer-ops": "true"},
)


def flag_options(text: str, target: Target) -> dict[str, tuple[str, ...]]:
    """The flags that can matter for a program on a target, with their values."""
    useless = {
        "iree-global-opt-use-im2col-for-convs": "linalg.conv" not in text,
        "iree-dispatch-creation-enable-fuse-padding-into-linalg-consumer-ops": (
            "tensor.pad" not in text
        ),
        "iree-llvmcpu-disable-distribution": target.threads == 1,
    }
    widths = tuple(
        width
        for width in FLAGS["iree-llvmcpu-target-vector-width-in-bytes"]
        if int(width) <= (target.vector_bytes or 16)
    )
    listed = dict(FLAGS) | {"iree-llvmcpu-target-vector-width-in-bytes": widths}
    return {name: values for name, values in listed.items() if not useless.get(name)}


def presets(options: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """The recommended sets whose flags are all among ``options``."""
    return [dict(preset) for preset in _PRESETS if are_known(preset, options)]


def are_known(flags: Mapping[str, str], options: Mapping[str, Sequence[str]]) -> bool:
    """Whether every flag has one of its options for a value."""
    return all(value in options.get(name, ()) for name, value in flags.items())


def roots_stay(flags: Mapping[str, str]) -> bool:
    """Whether operations keep the tilings set on them under these flags."""
    lost = ("iree-opt-data-tiling", "iree-opt-generalize-matmul")
    return not any(name in flags for name in lost)
