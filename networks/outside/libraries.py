"""Networks of timm, torchvision, segmentation_models_pytorch and transformers by name."""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lsood.text import reason
from networks.outside.configuration import InputConfig, of_module, of_processor

EXTRAS = {"transformers": "transformers"}
"""{library: extra of this project that installs it}; others are dependencies."""
AUTO = {
    "classification": "AutoModelForImageClassification",
    "segmentation": "AutoModelForSemanticSegmentation",
    "detection": "AutoModelForObjectDetection",
}
WEIGHTS = re.compile(r"(model|pytorch_model).*\.(safetensors|bin)")


@dataclass
class Made:
    """A network of a library, what it states of its input, and name and version of the library."""

    module: nn.Module
    input: InputConfig = field(default_factory=InputConfig)
    version: str = ""


def build(
    library: str, name: str, num_classes: int, channels: int, arguments: Mapping[str, Any], task: str
) -> Made:
    """A network of a library, with random weights unless the arguments say otherwise; see
    `networks.outside.open_network`.
    """
    package = "segmentation_models_pytorch" if library == "smp" else library
    try:
        found = importlib.import_module(package)
    except ImportError as error:
        extra = f'"lsood-bench[{EXTRAS[library]}]"' if library in EXTRAS else package
        raise ValueError(
            f"--network {library}:{name} needs {package}: pip install {extra} ({error})"
        ) from error
    made: Made = MAKERS[library](found, name, num_classes, channels, dict(arguments), task)
    made.version = f"{package} {getattr(found, '__version__', '')}"
    return made


def _timm(timm: Any, name: str, classes: int, channels: int, arguments: dict[str, Any], task: str) -> Made:
    _only("timm", task, "classification")
    if not name.startswith(("hf-hub:", "hf_hub:", "local-dir:")) and not timm.is_model(name.split(".")[0]):
        raise _unknown("timm", name, timm.list_models())
    given = (
        {"in_chans": channels, "pretrained": False}
        | ({"num_classes": classes} if classes else {})
        | arguments
    )

    def make(**further: Any) -> nn.Module:
        return timm.create_model(name, **{k: v for k, v in given.items() if k not in arguments}, **further)

    module = _made(f"timm:{name}", make, arguments)
    return Made(module, of_module(module, arguments))


def _torchvision(
    torchvision: Any, name: str, classes: int, channels: int, arguments: dict[str, Any], task: str
) -> Made:
    models = torchvision.models
    if name not in models.list_models():
        raise _unknown("torchvision", name, models.list_models())
    where = inspect.getmodule(models.get_model_builder(name))
    kind = next(
        (t for t in ("segmentation", "detection", "video", "optical_flow") if f".{t}" in str(where)), ""
    )
    _only(f"torchvision's {name}", task, kind or "classification")
    given: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        given["weights_backbone"] = None
    if arguments.get("weights") is None and classes:
        given["num_classes"] = classes + 1 if task == "detection" else classes  # with the background

    def make(**further: Any) -> nn.Module:
        return models.get_model(name, **{k: v for k, v in given.items() if k not in arguments}, **further)

    module = _made(f"torchvision:{name}", make, arguments)
    return Made(module, of_module(module))


def _smp(smp: Any, name: str, classes: int, channels: int, arguments: dict[str, Any], task: str) -> Made:
    _only("smp", task, "segmentation")
    arch, _, encoder = name.partition("/")
    known = list(smp.MODEL_ARCHITECTURES_MAPPING)
    if arch.lower() not in known:
        raise ValueError(f"smp has no architecture {arch!r}; it has: {', '.join(known)}")
    if not encoder:
        raise ValueError(
            f"--network smp:{name} names no encoder: smp:ARCH/ENCODER, such as smp:{arch}/resnet18"
        )
    kind = smp.MODEL_ARCHITECTURES_MAPPING[arch.lower()]
    taken = [n for n in inspect.signature(kind).parameters if n not in ("encoder_name", "kwargs")]
    foreign = [one for one in arguments if one not in taken]
    if foreign and not encoder.startswith("tu-"):  # others drop what they do not know
        raise ValueError(
            f"--network smp:{name} takes no argument {foreign[0]!r}; it takes: {', '.join(taken)}"
        )
    given = {"encoder_weights": None, "in_channels": channels, "classes": classes}

    def make(**further: Any) -> nn.Module:
        own = {k: v for k, v in given.items() if k not in arguments}
        return smp.create_model(arch, encoder, **own, **further)

    module = _made(f"smp:{name}", make, arguments)
    config = InputConfig()
    if weights := arguments.get("encoder_weights"):
        stated = smp.encoders.get_preprocessing_params(encoder, weights)
        config = InputConfig(tuple(stated["mean"]), tuple(stated["std"]))
    return Made(module, config)


def _transformers(
    transformers: Any, name: str, classes: int, channels: int, arguments: dict[str, Any], task: str
) -> Made:
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if local and not (folder / "config.json").is_file():
        raise ValueError(f"--network transformers:{name}: the folder holds no config.json")
    place = str(folder) if local else name
    common = {"trust_remote_code": False} | ({"local_files_only": True} if local else {})
    what = f"--network transformers:{name}"
    if foreign := [one for one in arguments if one in ("trust_remote_code",)]:
        raise ValueError(
            f"{what} takes no argument {foreign[0]!r}: code that comes with a model is never run"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(place, **common)
        if unknown := [one for one in arguments if not hasattr(config, one)]:
            known = ", ".join(sorted(config.to_dict()))
            raise ValueError(f"takes no argument {unknown[0]!r}; its configuration has: {known}")
        for key, value in arguments.items():
            setattr(config, key, value)
        names = _class_names(config)
        maker = getattr(transformers, AUTO[task])
        if local and not any(WEIGHTS.fullmatch(path.name) for path in folder.iterdir()):
            if names is None and "num_labels" not in arguments:
                config.num_labels = classes
            module = maker.from_config(config, trust_remote_code=False)
        else:
            module = maker.from_pretrained(place, config=config, **common)
    except Exception as error:
        raise ValueError(f"{what}: {reason(error)}") from error
    return Made(module, of_processor(_processor(transformers, folder, place, local), names))


def _class_names(config: Any) -> list[str] | None:
    """Names of the outputs; None where they are placeholders."""
    labels = {int(key): str(value) for key, value in (getattr(config, "id2label", None) or {}).items()}
    if not labels or all(re.fullmatch(r"LABEL_\d+", value) for value in labels.values()):
        return None
    return [labels[key] for key in sorted(labels)]


def _processor(transformers: Any, folder: Path, place: str, local: bool) -> dict[str, Any]:
    """Configuration of the image processor; {} where there is none."""
    file = folder / "preprocessor_config.json"
    if local:
        if not file.is_file():
            return {}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file} is no JSON ({error})") from error
        return found if isinstance(found, dict) else {}
    try:
        return dict(transformers.AutoImageProcessor.from_pretrained(place, trust_remote_code=False).to_dict())
    except (OSError, ValueError):
        return {}


Maker = Callable[[Any, str, int, int, dict[str, Any], str], Made]
MAKERS: dict[str, Maker] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "smp": _smp,
    "transformers": _transformers,
}


def _made(what: str, make: Callable[..., nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    try:
        return make(**arguments)
    except TypeError as error:
        if "unexpected keyword argument" in str(error) and arguments:
            taken = _parameters(make)
            foreign = [name for name in arguments if name not in taken]
            raise ValueError(
                f"--network {what} takes no argument {(foreign or [*arguments])[0]!r}; it takes: {', '.join(taken)}"
            ) from error
        raise ValueError(f"--network {what} cannot be built: {reason(error)}") from error
    except Exception as error:
        raise ValueError(f"--network {what} cannot be built: {reason(error)}") from error


def _parameters(make: Callable[..., nn.Module]) -> list[str]:
    """Arguments of the class of what is made without any."""
    parameters = inspect.signature(type(make()).__init__).parameters.values()
    return [
        p.name for p in parameters if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def _only(what: str, task: str, own: str) -> None:
    if task != own:
        raise ValueError(f"{what} is for {own}, the data set needs {task}")


def _unknown(library: str, name: str, known: Sequence[str]) -> ValueError:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"; near: {', '.join(near)}" if near else ""
    return ValueError(f"{library} has no network {name!r}{hint}")
