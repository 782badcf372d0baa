"""Export models of Hugging Face's transformers as linalg, to be cut into functions.

    python datasets/export_models.py models/
    python datasets/collect_functions.py --exported models/ ...

Weights are random and become arguments, so that the files are small. A model has one or two layers:
more would repeat the same functions. Needs the extra ``collect`` (PyTorch, transformers). A model
that PyTorch or IREE cannot export is named and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers as hf

#: Passes from PyTorch's operations to linalg on tensors.
_PIPELINE = (
    "builtin.module(torchdynamo-export-to-torch-backend-pipeline,"
    "torch-backend-to-linalg-on-tensors-backend-pipeline)"
)
#: Width, heads, inner width: ViT-Ti, MobileBERT-like, ViT-S, BERT-medium, BERT-base, BERT-large.
_SIZES = ((128, 2, 512), (192, 3, 768), (256, 4, 1024), (384, 6, 1536), (512, 8, 2048),
          (768, 12, 3072), (1024, 16, 4096))  # fmt: skip

Tensors = dict[str, torch.Tensor]
Maker = Callable[[], tuple[torch.nn.Module, Tensors]]


class _Pure(torch.nn.Module):
    """A model as a function of its weights and its input."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self._hidden = [model]  # in a list, so that its weights are not ours

    def forward(self, weights: Tensors, inputs: Tensors) -> torch.Tensor:
        arguments = {**inputs, "return_dict": False}
        found = torch.func.functional_call(self._hidden[0], weights, (), arguments)
        return found[0] if isinstance(found, tuple) else found


class _Normalize(torch.nn.Module):
    """Batch normalization in inference as plain operations: PyTorch's own has no lowering here."""

    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("mean", norm.running_mean)
        self.register_buffer("variance", norm.running_var)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (-1,) + (1,) * (x.dim() - 2)
        scale = self.weight * torch.rsqrt(self.variance + self.eps)
        return (x - self.mean.view(shape)) * scale.view(shape) + self.bias.view(shape)


def _lowered(model: torch.nn.Module) -> torch.nn.Module:
    for name, child in model.named_children():
        if isinstance(child, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            setattr(model, name, _Normalize(child))
        else:
            _lowered(child)
    return model


def _text(tokens: int, width: int, *, causal: bool = False) -> Tensors:
    inputs = {"inputs_embeds": torch.zeros(1, tokens, width)}
    if causal:  # given, since what computes them from nothing is no function of tensors
        inputs["attention_mask"] = torch.zeros(1, 1, tokens, tokens)
        inputs["position_ids"] = torch.zeros(1, tokens, dtype=torch.int64)
    return inputs


def _picture(side: int) -> Tensors:
    return {"pixel_values": torch.zeros(1, 3, side, side)}


def models() -> Iterator[tuple[str, Maker]]:
    """Names, and what makes the model and its input; nothing is made before it is wanted."""
    eager = {"attn_implementation": "eager"}
    for place, (width, heads, inner) in enumerate(_SIZES):
        tokens = (8, 32, 77, 128, 256, 384, 197)[place]
        common = dict(hidden_size=width, num_hidden_layers=1, num_attention_heads=heads,
                      intermediate_size=inner, **eager)  # fmt: skip
        for name, activation in (("bert", "gelu"), ("electra", "gelu_new"), ("roberta", "relu")):

            def encoder(n: str = name, a: str = activation, c: Any = common, t: int = tokens,
                        w: int = width) -> Any:  # fmt: skip
                config = {"bert": hf.BertConfig, "electra": hf.ElectraConfig,
                          "roberta": hf.RobertaConfig}[n](hidden_act=a, **c)  # fmt: skip
                if n == "electra":
                    config.embedding_size = w
                made = {"bert": hf.BertModel, "electra": hf.ElectraModel,
                        "roberta": hf.RobertaModel}[n]  # fmt: skip
                return made(config), _text(t, w)

            yield f"{name}_{width}_{tokens}", encoder
        for name in ("llama", "mistral", "qwen2", "gemma"):

            def decoder(n: str = name, c: Any = common, h: int = heads, t: int = tokens,
                        w: int = width) -> Any:  # fmt: skip
                kinds = {"llama": (hf.LlamaConfig, hf.LlamaModel),
                         "mistral": (hf.MistralConfig, hf.MistralModel),
                         "qwen2": (hf.Qwen2Config, hf.Qwen2Model),
                         "gemma": (hf.GemmaConfig, hf.GemmaModel)}  # fmt: skip
                config, model = kinds[n]
                groups = {"num_key_value_heads": h if n == "llama" else max(1, h // 4),
                          "use_cache": False, "head_dim": w // h}  # fmt: skip
                return model(config(**c, **groups)), _text(t, w, causal=True)

            yield f"{name}_{width}_{tokens}", decoder

        def gpt2(w: int = width, h: int = heads, t: int = tokens) -> Any:
            config = hf.GPT2Config(n_embd=w, n_head=h, n_layer=1, use_cache=False, **eager)
            return hf.GPT2Model(config), _text(t, w, causal=True)

        yield f"gpt2_{width}_{tokens}", gpt2
        side = (96, 160, 224, 224, 256, 224, 384)[place]
        for name in ("vit", "deit", "dinov2", "beit"):

            def vision(n: str = name, c: Any = common, s: int = side) -> Any:
                kinds = {"vit": (hf.ViTConfig, hf.ViTModel), "deit": (hf.DeiTConfig, hf.DeiTModel),
                         "dinov2": (hf.Dinov2Config, hf.Dinov2Model),
                         "beit": (hf.BeitConfig, hf.BeitModel)}  # fmt: skip
                config, model = kinds[n]
                return model(config(image_size=s, patch_size=16, **c)), _picture(s)

            yield f"{name}_{width}_{side}", vision

    pictures: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
        "resnet18": (lambda: hf.ResNetModel(hf.ResNetConfig(depths=[2, 2, 2, 2], hidden_sizes=[
            64, 128, 256, 512], layer_type="basic")), (160, 224)),
        "resnet50": (lambda: hf.ResNetModel(hf.ResNetConfig(depths=[1, 1, 1, 1])), (128, 224, 256)),
        "mobilenet_v1": (lambda: hf.MobileNetV1Model(hf.MobileNetV1Config()), (128, 224)),
        "mobilenet_v2": (lambda: hf.MobileNetV2Model(hf.MobileNetV2Config()), (160, 224)),
        "mobilenet_v2_half": (lambda: hf.MobileNetV2Model(hf.MobileNetV2Config(
            depth_multiplier=0.5)), (192, 224)),
        "efficientnet": (lambda: hf.EfficientNetModel(hf.EfficientNetConfig(
            width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280)), (192, 224)),
        "regnet": (lambda: hf.RegNetModel(hf.RegNetConfig(depths=[1, 1, 2, 1])), (160, 224)),
        "convnext": (lambda: hf.ConvNextModel(hf.ConvNextConfig(depths=[1, 1, 1, 1])), (128, 224)),
        "convnext_v2": (lambda: hf.ConvNextV2Model(hf.ConvNextV2Config(
            depths=[1, 1, 1, 1])), (160, 224)),
        "poolformer": (lambda: hf.PoolFormerModel(hf.PoolFormerConfig(
            depths=[1, 1, 1, 1])), (128, 224)),
        "segformer": (lambda: hf.SegformerModel(hf.SegformerConfig(
            depths=[1, 1, 1, 1])), (128, 256)),
        "mobilevit": (lambda: hf.MobileViTModel(hf.MobileViTConfig()), (192, 256)),
        "levit": (lambda: hf.LevitModel(hf.LevitConfig()), (224,)),
        "bit": (lambda: hf.BitModel(hf.BitConfig(depths=[1, 1, 1, 1])), (160, 224)),
    }  # fmt: skip
    for name, (make, sides) in pictures.items():
        for side in sides:
            yield f"{name}_{side}", lambda m=make, s=side: (m(), _picture(s))


def export(model: torch.nn.Module, inputs: Tensors) -> str:
    """A model as linalg on tensors; its one function has the weights and the input as arguments."""
    from iree.compiler import ir, passmanager
    from iree.compiler.extras.fx_importer import FxImporter

    model = _lowered(model.eval())
    weights = dict(model.named_parameters()) | dict(model.named_buffers())
    weights = {name: tensor.detach() for name, tensor in weights.items()}
    program = torch.export.export(_Pure(model), (weights, inputs), strict=False)
    context = ir.Context()
    importer = FxImporter(context=context)
    importer.import_program(program.run_decompositions(), func_name="main")
    with context:
        passmanager.PassManager.parse(_PIPELINE).run(importer.module_op)
        _drop_assertions(importer.module_op)
        return importer.module_op.get_asm(enable_debug_info=False)


def _drop_assertions(module: Any) -> None:
    """That indices are in range, which a look-up in a table states."""
    from iree.compiler import ir

    found: list[Any] = []

    def note(op: Any) -> Any:
        if op.name == "cf.assert":
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.walk(note)
    for op in found:
        op.erase()


def main() -> int:
    """Write every model that can be exported into the folder that is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="models whose name contains this")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    written = 0
    for name, make in models():
        path = args.folder / f"{name}.mlir"
        if args.only not in name or path.exists():
            continue
        try:
            text = export(*make())
        except Exception as error:  # other people's models fail in every way there is
            print(f"{name} is left out: {str(error).splitlines()[0][:200]}", file=sys.stderr)
            continue
        path.write_text(text, encoding="utf-8")
        written += 1
    print(f"{written} models were written to {args.folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
