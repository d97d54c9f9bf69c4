"""SPECs of the user's own code, arguments, and modules in the states that people have them in."""

import pytest
import torch
from outside_modules import Residual, adapted, images
from torch import nn

from benchmarks.names import check_names
from networks import adapt, open_network
from networks.outside.classes import match_outputs, read_names
from networks.outside.spec import arguments_of, check_spec, short_name

CODE = """
import torch
from torch import nn
from networks import NetworkSpec

def build(num_classes, width=4, words="none"):
    assert isinstance(words, str)
    return nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, num_classes))

def plain():
    return build(7)

def grey(num_classes, channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size[0] * image_size[1], num_classes))

def needs(depth, **further):
    return build(depth)

class Net(nn.Sequential):
    def __init__(self, num_classes=3):
        super().__init__(nn.Flatten(), nn.Linear(48, num_classes))

class Fixed(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(48, 4))

ready = Net(6)
spec = NetworkSpec("mine", "classification", "mine", lambda num_classes, channels, width=4: build(num_classes, width))
number = 3
def text(): return "network"
def broken(): raise KeyError("depth\\nis missing")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def outputs(module, x=None):
    with torch.no_grad():
        return module(images((4, 4)) if x is None else x).shape[1]


def test_callables_classes_objects_and_specs(file):
    def opened(name, **arguments):
        return open_network(f"{file}:{name}", 5, 3, arguments, "classification", (4, 4))

    assert outputs(opened("build").module) == outputs(opened("spec").module) == 5
    assert (
        opened("build", width=6).module[0].out_channels == opened("spec", width=6).module[0].out_channels == 6
    )
    assert outputs(opened("plain").module) == 7 and outputs(opened("grey").module) == 5
    assert outputs(opened("Net").module) == 5 and outputs(opened("Fixed").module) == 4
    assert outputs(opened("ready").module) == 6
    assert opened("ready").module is not opened("ready").module
    assert outputs(opened("needs", depth=3, further=1).module) == 3
    found = opened("build")
    assert found.name == "mine.py:build" and len(found.source_hash) == 64
    file.write_text(CODE + "\n# another line")
    from lsood.io import sha256

    assert found.source_hash != sha256(file)


def test_module_of_an_installed_package():
    found = open_network("outside_modules:Residual", 5)
    assert outputs_dict(found.module) == 5 and found.name == "outside_modules:Residual" and found.source_hash


def outputs_dict(module):
    with torch.no_grad():
        return module(images())["out"].shape[1]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("bild", {}, "has no attribute 'bild'"),
        ("build", {"widht": 3}, "takes no argument 'widht'; it takes: num_classes, width, words"),
        ("needs", {}, "needs an argument: --network-arg depth=..."),
        ("number", {}, "is a int; a function that returns a network"),
        ("text", {}, "returns str, no torch.nn.Module"),
        ("broken", {}, "cannot be built: KeyError: 'depth"),
        ("ready", {"width": 3}, "is a module already; it takes no --network-arg"),
    ],
)
def test_one_line_says_what_is_wrong_with_code(file, name, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        open_network(f"{file}:{name}", 5, 3, arguments)
    assert "\n" not in str(error.value) and str(file) in str(error.value)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("nothing.py:build", FileNotFoundError, "there is no file nothing.py"),
        (
            "no_such_package.sub:build",
            ValueError,
            "there is no module 'no_such_package.sub'; the forms: file.py:build",
        ),
        ("timm:", ValueError, "the name is missing"),
        ("mine.py", ValueError, ":NAME of a function or class in it is missing, such as mine.py:build"),
        ("mine.py:", ValueError, ":NAME of a function or class in it is missing, such as mine.py:build"),
        ("mine:", ValueError, "the forms: file.py:build, package.module:build, timm:NAME"),
        ("mine.py:a b", ValueError, "the forms"),
    ],
)
def test_specs_that_cannot_name_anything(spec, error, message):
    with pytest.raises(error, match=message):
        check_spec(spec)


def test_a_file_without_a_name_is_no_unknown_network():
    with pytest.raises(ValueError, match=r"^--network mine\.py: :NAME of a function"):
        check_names(None, (), (), "mine.py", None, None)


def test_a_builder_of_classes_on_data_without_classes(file):
    with pytest.raises(
        ValueError, match=r"no classes: --network-arg num_classes=K, or data with class folders"
    ):
        open_network(f"{file}:build", 0)
    assert open_network(f"{file}:build", 0, arguments={"num_classes": 3}).module[-1].out_features == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused():
    for module in (torch.jit.script(Residual()), torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3))):
        with pytest.raises(ValueError, match=r"is TorchScript, .* no hooks .* the Python module"):
            open_network(module, 5)


def test_code_that_does_not_run(tmp_path):
    (tmp_path / "bad.py").write_text("import nothing_of_this_name")
    (tmp_path / "syntax.py").write_text("def build(:\n")
    (tmp_path / "exit.py").write_text("raise RuntimeError('no\\nway')")
    for name in ("bad", "syntax", "exit"):
        with pytest.raises(ValueError, match=f"{name}.py") as error:
            open_network(f"{tmp_path / name}.py:build", 5)
        assert "\n" not in str(error.value)


def test_arguments():
    assert arguments_of(["a=1", "b=(1, 2)", "c=batch", "d=True", "e=false", "f=None", "g=a=b", "h='1'"]) == {
        "a": 1, "b": (1, 2), "c": "batch", "d": True, "e": False, "f": None, "g": "a=b", "h": "1",
    }  # fmt: skip
    for wrong in (["a"], ["=3"], ["a b=3"], ["a=1", "a=2"]):
        with pytest.raises(ValueError, match="--network-arg"):
            arguments_of(wrong)


def test_short_names_hold_no_folder(tmp_path):
    (tmp_path / "model").mkdir()
    assert short_name(f"{tmp_path}/mine.py:build") == "mine.py:build"
    assert short_name(f"transformers:{tmp_path}/model") == "transformers:model"
    assert short_name("transformers:nvidia/segformer-b0") == "transformers:nvidia/segformer-b0"
    assert short_name("smp:unet/resnet18") == "smp:unet/resnet18"


def test_modules_are_copied_unwrapped_and_made_float32(caplog):
    caplog.set_level("INFO", "lsood-bench")
    module = Residual().half().train().requires_grad_(False)
    found = open_network(nn.DataParallel(module), 5)
    assert type(found.module) is Residual and found.name == "Residual" and not found.module.training
    assert {p.dtype for p in found.module.parameters()} == {torch.float32}
    assert "float16: converted to float32" in caplog.text
    assert module.training and module.stem.weight.dtype == torch.float16
    network = adapt(found.module, "classification", images(), 5)
    assert not module.block2._forward_hooks and network(images()).shape == (2, 5)
    compiled = open_network(torch.compile(Residual()), 5)
    assert type(compiled.module) is Residual
    with pytest.raises(ValueError, match="meta device"), torch.device("meta"):
        open_network(Residual(), 5)


class Returns(nn.Module):
    """A network with whatever output."""

    def __init__(self, made):
        super().__init__()
        self.layer, self.made = nn.Linear(3, 5), made

    def forward(self, x):
        return self.made(self.layer(x.mean((2, 3))))


def crash(x):
    raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda x: x[:, 0],
            r"network Returns returns no logits: output \(2,\); classification needs \(B, K\)",
        ),
        (lambda x: "a cat", r"network Returns returns no logits: a str"),
        (lambda x: x.argmax(1), r"network Returns returns no logits: output \(2,\)"),
        (lambda x: (), r"network Returns returns no logits: a tuple"),
        (lambda x: x[0], r"network Returns returns no logits: output \(5,\)"),
        (lambda x: x / 0, r"network Returns returns NaN or infinity for the first images, shape \(2, 5\)"),
        (crash, r"network Returns fails on images 2x3x32x32: RuntimeError: mat1 and mat2"),
        (
            lambda x: x[:, :4],
            r"network Returns has 4 outputs, the data set has 5 classes: --classes FILE names",
        ),
    ],
)
def test_outputs_that_are_no_logits(made, message):
    with pytest.raises(ValueError, match=message) as error:
        adapted(Returns(made))
    assert "\n" not in str(error.value)


def test_segmentation_needs_maps():
    with pytest.raises(ValueError, match=r"segmentation needs \(B, K, h, w\)"):
        adapted(Returns(lambda x: x), "segmentation")


def test_class_names(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("Void\nTraffic Light\nroad\n\n")
    names = read_names(file)
    assert names == ["Void", "Traffic Light", "road"]
    assert match_outputs(names, ("road", "traffic_light"), "c") == [2, 1]
    with pytest.raises(ValueError, match=r"c names no output for car, bus; it names: Void"):
        match_outputs(names, ("road", "car", "bus"), "c")
    with pytest.raises(ValueError, match="c names more than one output road"):
        match_outputs(["road", "Road"], ("road",), "c")
    for text, message in (("", "it is empty"), ("a\n\nb", "line 2 is empty")):
        file.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_names(file)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_names(tmp_path / "none.txt")
