"""What a PyTorch user would write for each kernel in kernels/: the best eager call there is.

A ``TorchFunction`` takes the MLIR function's arguments in order. What a user does once and not
at every call (weights in PyTorch's layout, a causal mask) belongs to ``arrange``, and restoring
the kernel's layout of the result to ``restore``; neither is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["TORCH_FUNCTIONS", "TorchFunction", "TorchKernel"]

Tensors = Sequence[Tensor]


@dataclass(frozen=True)
class TorchFunction:
    """``dtype`` is the coarsest type that ``call`` rounds to, where that is not the output's."""

    call: Callable[..., Any]
    arrange: Callable[..., Tensors] = lambda *tensors: tensors
    restore: Callable[..., Any] = lambda *results: results
    dtype: str | None = None


class TorchKernel:
    """A TorchFunction as a LoadedKernel of costmodel, so that it is timed like any other."""

    def __init__(self, function: TorchFunction) -> None:
        self._function = function
        self._arguments: Tensors = ()
        self._results: Any = ()

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """PyTorch allocates its results itself, so ``outputs`` is not used."""
        with torch.inference_mode():
            self._arguments = tuple(self._function.arrange(*map(to_torch, inputs)))

    @torch.inference_mode()
    def run(self, number: int) -> float:
        call, arguments = self._function.call, self._arguments
        results = None
        start = time.perf_counter()
        for _ in range(number):
            results = None  # lets the allocator reuse the memory, which is warm
            results = call(*arguments)
        elapsed = time.perf_counter() - start
        self._results = results
        return elapsed

    @torch.inference_mode()
    def results(self) -> list[NDArray[Any]]:
        several = self._results if isinstance(self._results, tuple) else (self._results,)
        restored = self._function.restore(*several)
        if isinstance(restored, Tensor):
            restored = (restored,)
        return [to_numpy(result) for result in restored]


def to_torch(array: NDArray[Any]) -> Tensor:
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16).clone()
    return torch.from_numpy(array).clone()


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    tensor = tensor.contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
    return tensor.numpy().copy()


def nchw(*, stride: int = 1, padding: int = 0, groups: int = 1, act: Any = None) -> TorchFunction:
    """A convolution on contiguous NCHW tensors; depthwise filters lack the channel dimension."""

    def arrange(x: Tensor, weight: Tensor, *bias: Tensor) -> Tensors:
        return x, weight.unsqueeze(1) if weight.dim() == 3 else weight, *bias

    def call(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        y = F.conv2d(x, weight, bias, stride, padding, groups=groups)
        return act(y) if act else y

    return TorchFunction(call, arrange)


def nhwc(
    *, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1, act: Any = None
) -> TorchFunction:
    """A convolution on NHWC data: tensors in the channels_last memory format."""

    def arrange(x: Tensor, weight: Tensor, bias: Tensor) -> Tensors:
        filters = weight.unsqueeze(2) if weight.dim() == 3 else weight
        filters = filters.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        return x.permute(0, 3, 1, 2), filters, bias

    def call(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        y = F.conv2d(x, weight, bias, stride, padding, dilation, groups)
        return act(y) if act else y

    return TorchFunction(call, arrange, lambda y: y.permute(0, 2, 3, 1))


def arrange_conv_bn(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensors:
    filters = weight.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    return x.permute(0, 3, 1, 2), filters, scale.view(-1, 1, 1), shift.view(-1, 1, 1)


def conv_bn_relu(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return torch.addcmul(shift, F.conv2d(x, weight, padding=1), scale).relu_()


def gated_mlp(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return F.silu(x @ gate, inplace=True).mul_(x @ up) @ down


def conv1d_ncw(stride: int) -> TorchFunction:
    return TorchFunction(lambda x, weight: F.gelu(F.conv1d(x, weight, stride=stride)))


def arrange_nwc(x: Tensor, weight: Tensor, bias: Tensor) -> Tensors:
    return x.transpose(1, 2), weight.permute(2, 1, 0).contiguous(), bias


def relu6(x: Tensor) -> Tensor:
    return F.relu6(x, inplace=True)


def layer_norm(eps: float) -> TorchFunction:
    return TorchFunction(lambda x, gamma, beta: F.layer_norm(x, (768,), gamma, beta, eps))


def layer_norm_stats(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.native_layer_norm(x, (768,), gamma, beta, 1e-5)


def scores(query: Tensor, key: Tensor) -> Tensor:
    unused = query.new_empty(1).expand(len(query), 1, 1)
    return torch.baddbmm(unused, query, key.transpose(1, 2), beta=0, alpha=0.125)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def with_mask(x: Tensor) -> Tensors:
    return x, torch.ones(x.shape[-2:], dtype=torch.bool).triu(1)


def rope(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cosine + torch.cat((-x[..., half:], x[..., :half]), -1).mul_(sine)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(x.dtype)
    total = torch.bmm(weights.unsqueeze(1), x).squeeze(1)
    return total.div_(weights.sum(1, keepdim=True).clamp_(min=1))


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def in_front(x: Tensor, scale: Tensor, shift: Tensor) -> Tensors:
    return x, scale.view(-1, 1, 1), shift.view(-1, 1, 1)


def linear_gelu(approximate: str) -> TorchFunction:
    return TorchFunction(lambda x, w, b: F.gelu(torch.addmm(b, x, w), approximate=approximate))


def conv1d_gelu_nwc(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.gelu(F.conv1d(x, weight, bias, padding=1))


#: By file stem of the kernel.
TORCH_FUNCTIONS: dict[str, TorchFunction] = {
    "albert_embedding": TorchFunction(lambda table, ids, at: F.embedding(ids, table).add_(at)),
    "bert_attention_context": TorchFunction(torch.bmm),
    "bert_attention_scores": TorchFunction(scores),
    "bert_ffn_gelu_erf": linear_gelu("none"),
    "bert_ffn_output_transposed": TorchFunction(F.linear),
    "bert_gelu_erf": TorchFunction(F.gelu),
    "bert_int8_matmul": TorchFunction(torch._int_mm),
    "bert_layernorm": layer_norm(1e-12),
    "bert_residual_layernorm": TorchFunction(
        lambda x, residual, gamma, beta: F.layer_norm(x + residual, (768,), gamma, beta, 1e-12)
    ),
    "bert_softmax": TorchFunction(softmax),
    "bert_split_heads": TorchFunction(lambda x: x.view(512, 12, 64).transpose(0, 1).contiguous()),
    "deeplab_dilated_conv_nhwc": nhwc(padding=2, dilation=2, act=torch.relu_),
    "densenet_avgpool_nhwc": TorchFunction(
        lambda x: F.avg_pool2d(x, 2), lambda x: (x.permute(0, 3, 1, 2),),
        lambda y: y.permute(0, 2, 3, 1),
    ),
    "gpt2_attention": TorchFunction(
        attention, lambda *qkv: tuple(x.unsqueeze(0) for x in qkv), lambda y: y.squeeze(0)
    ),
    "gpt2_bias_residual": TorchFunction(lambda x, bias, residual: (x + bias).add_(residual)),
    "gpt2_causal_softmax": TorchFunction(
        lambda x, mask: torch.softmax(x.masked_fill(mask, -torch.inf), -1), with_mask
    ),
    "gpt2_decode_matvec": TorchFunction(torch.mv),
    "gpt2_ffn_gelu_tanh": linear_gelu("tanh"),
    "gpt2_gelu_tanh": TorchFunction(lambda x: F.gelu(x, approximate="tanh")),
    "gpt2_layernorm_stats": TorchFunction(
        layer_norm_stats, restore=lambda y, mean, rstd: (y, mean.flatten(), rstd.flatten())
    ),
    "gpt2_logsumexp": TorchFunction(lambda x: torch.logsumexp(x, -1)),
    "gpt2_row_max": TorchFunction(lambda x: x.amax(-1)),
    "llama_decode_matvec": TorchFunction(torch.mv),
    "llama_gated_mlp": TorchFunction(gated_mlp),
    "llama_rmsnorm": TorchFunction(lambda x, gamma: F.rms_norm(x, (4096,), gamma, 1e-5)),
    "llama_swiglu": TorchFunction(lambda gate, up: F.silu(gate).mul_(up)),
    "matmul_bias_relu": TorchFunction(lambda x, w, b: torch.addmm(b, x, w).relu_()),
    "mobilenetv2_depthwise_nchw": nchw(padding=1, groups=384, act=relu6),
    "mobilenetv2_depthwise_nhwc": nhwc(padding=1, groups=144, act=relu6),
    "mobilenetv2_depthwise_stride2_nchw": nchw(stride=2, padding=1, groups=192, act=relu6),
    "mobilenetv2_depthwise_stride2_nhwc": nhwc(stride=2, padding=1, groups=96, act=relu6),
    "mobilenetv2_project_nhwc": nhwc(),
    "mobilenetv2_stem_nhwc": nhwc(stride=2, padding=1, act=relu6),
    "resnet50_batchnorm_relu": TorchFunction(
        lambda x, scale, shift: torch.addcmul(shift, x, scale).relu_(), in_front
    ),
    "resnet50_conv1x1_nchw": nchw(),
    "resnet50_conv1x1_nhwc": nhwc(act=torch.relu_),
    "resnet50_conv3x3_nchw": nchw(padding=1),
    "resnet50_conv3x3_nhwc": nhwc(padding=1, act=torch.relu_),
    "resnet50_conv3x3_stride2_nchw": nchw(stride=2, padding=1, act=torch.relu_),
    "resnet50_conv_bn_relu_nhwc": TorchFunction(
        conv_bn_relu, arrange_conv_bn, lambda y: y.permute(0, 2, 3, 1)
    ),
    "resnet50_global_avgpool_nchw": TorchFunction(
        lambda x: F.adaptive_avg_pool2d(x, 1), restore=lambda y: y.flatten(1)
    ),
    "resnet50_maxpool_nchw": TorchFunction(lambda x: F.max_pool2d(x, 3, 2, 1)),
    "resnet50_stem_nchw": nchw(stride=2, padding=3),
    "sbert_masked_mean_pool": TorchFunction(masked_mean),
    "squeezenet_fire_concat_nchw": TorchFunction(lambda a, b: torch.cat((a, b), 1).relu_()),
    "tinyllama_bf16_matmul": TorchFunction(lambda x, w: torch.mm(x, w).float(), dtype="bf16"),
    "tinyllama_projection_transposed": TorchFunction(F.linear),
    "tinyllama_rope": TorchFunction(rope),
    "tinyllama_swiglu_f16": TorchFunction(lambda gate, up: F.silu(gate).mul_(up)),
    "vit_attention_context": TorchFunction(torch.bmm),
    "vit_attention_scores": TorchFunction(scores),
    "vit_head_transposed": TorchFunction(F.linear),
    "vit_layernorm": layer_norm(1e-6),
    "vit_patch_embed_nchw": nchw(stride=16),
    "vit_projection_matmul": TorchFunction(lambda x, w, b: torch.addmm(b, x, w)),
    "vit_softmax": TorchFunction(softmax),
    "vit_transpose_key": TorchFunction(lambda key: key.transpose(1, 2).contiguous()),
    "wav2vec2_conv1d_ncw": conv1d_ncw(stride=2),
    "wav2vec2_stem_conv1d_ncw": conv1d_ncw(stride=5),
    "whisper_conv1d_nwc": TorchFunction(
        conv1d_gelu_nwc, arrange_nwc, lambda y: y.transpose(1, 2)
    ),
}  # fmt: skip
