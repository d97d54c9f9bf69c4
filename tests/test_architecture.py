"""The house rules as tests: import direction, no circles, what must not load torch, doctests, public names."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = {"lsood.command", "lsood.io", "lsood.registry", "lsood.terminal", "lsood.text"}
IMAGES = "lsood.images"
MAY_IMPORT = {
    "lsood": set(),
    "anomalies": {IMAGES, *SHARED},
    "networks": {"lsood"},
    "baselines": {"lsood"},
    "datamodules": {"anomalies", IMAGES, *SHARED},
    "leaderboards": {"lsood.metrics", *SHARED},
    "benchmarks": {"anomalies", "baselines", "datamodules", "leaderboards", "lsood", "networks"},
}
COMMANDS = {"networks.train": "benchmarks"}
"""Modules that are run and never imported, and the package of their command."""
HEAVY = ("torch", "pytorch_lightning", "torchvision", "sklearn", "albumentations")


def files():
    """{dotted name: file} of every module of the seven packages."""
    found = {}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


FILES = files()


def nodes(tree):
    """Everything below a node but what only type checkers see."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from nodes(child)


def imports(path):
    """Dotted names of our own modules that a file imports, anywhere in it."""
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module in FILES and not node.level:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield below if below in FILES else node.module


GRAPH = {name: set(imports(path)) - {name} for name, path in FILES.items()}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_import_direction(package):
    for name, targets in GRAPH.items():
        allowed = {package, *MAY_IMPORT[package], *filter(None, [COMMANDS.get(name)])}
        assert not targets & set(COMMANDS), f"{name} imports a command: {targets & set(COMMANDS)}"
        if name.split(".")[0] == package and "speed" not in name:
            wrong = [t for t in targets if not any(t == a or t.startswith(f"{a}.") for a in allowed)]
            assert not wrong, f"{name} imports {wrong}"


def test_no_circles():
    """Not inside functions either: remove modules that import nothing that is left, until none is left."""
    left = {name: set(targets) for name, targets in GRAPH.items()}
    while free := {name for name, targets in left.items() if not targets & set(left)}:
        left = {name: targets for name, targets in left.items() if name not in free}
    circle = {name: sorted(targets & set(left)) for name, targets in left.items()}
    assert not circle, circle


FUNCTIONS = set(
    "cv2.imwrite json.dump np.save np.savez np.savez_compressed pickle.dump pq.write_table save_file shutil.copy "
    "shutil.copy2 shutil.copyfile shutil.copytree shutil.move torch.save logging.FileHandler".split()
)
METHODS = {
    "savefig",
    "to_csv",
    "to_feather",
    "to_json",
    "to_parquet",
    "to_pickle",
    "tofile",
    "write_bytes",
    "write_text",
}
TEMPORARY = {"part", "buffer"}
"""Names of what `lsood.io` renames afterwards, and of memory."""
OTHERWISE = {
    "lsood.io": "the writer",
    "anomalies.sets.manifest": "appends records to a part; readers leave out a line that was cut",
    "benchmarks.console": "appends to a log",
    "datamodules.locate": "moves what was downloaded whole",
    "datamodules.miniature": "writes below the folder that write_folder gives, and moves what lies in its place",
}


def is_written(call):
    """Whether a call writes or moves a file."""
    name = ast.unparse(call.func)
    method, first = name.rpartition(".")[2], [ast.unparse(a) for a in call.args[:1]]
    if name == "open" or method == "open":
        mode = ast.unparse(call.args[-1]) if call.args else ""
        return any(word.arg == "mode" for word in call.keywords) or bool(
            re.fullmatch("'[rbt]*[wax+][wax+bt]*'", mode)
        )
    if method in ("rename", "replace") and "." in name:  # of a path; text and tables get more, or a mapping
        return len(call.args) == 1 and not call.keywords and not first[0].startswith("{")
    if method in ("to_csv", "to_json") and not first:
        return False  # gives text
    return name in FUNCTIONS or ("." in name and method in METHODS)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_file_is_written_by_the_one_writer(package):
    """`lsood.io`: whole or not at all, and on the disk before it has its name. What its callbacks write to is named
    "part".
    """
    for name, path in FILES.items():
        if (
            name.split(".")[0] != package
            or "speed" in name
            or any(f"{name}.".startswith(f"{o}.") for o in OTHERWISE)
        ):
            continue
        for call in (
            n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
        ):
            named = {node.id for node in ast.walk(call) if isinstance(node, ast.Name)} & TEMPORARY
            assert named or not is_written(call), f"{name} writes by {ast.unparse(call)}"


def loaded(code):
    """Modules that are loaded when a fresh interpreter has run some code, and what it wrote on both streams."""
    report = f"{code}\nimport sys\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True)
    said, _, modules = done.stdout.partition("LOADED")
    assert modules, done.stderr
    return set(modules.split()), said + done.stderr


COMMAND = """
import sys
from benchmarks.console import spread
from benchmarks.run import app
try:
    app(spread({words!r}), prog_name="run")
except SystemExit as stop:
    print("exit code", stop.code)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--help"], "in-distribution set"),
        (["--list"], "fssd-lenet"),
        (["--ind", "cityscape"], "did you mean 'cityscapes'?"),
        (["--ind", "cifar10", "--ood", "svnh"], "did you mean 'svhn'?"),
        (["--ind", "cifar10", "--ood", "svhn", "--methods", "mahalanobs"], "did you mean 'mahalanobis'?"),
        (["--ind", "cifar10", "--ood", "svhn", "--network", "resnet81"], "did you mean 'resnet18'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_runner_answers_without_torch(words, said):
    modules, output = loaded(COMMAND.format(words=words))
    assert said in " ".join(output.split()), output
    assert not modules & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import lsood, anomalies, baselines, networks, datamodules, leaderboards, benchmarks",
        "from lsood.methods import METHODS; assert 'lared' in METHODS",
        "import leaderboards.build, leaderboards.tables, leaderboards.store",
    ],
)
def test_what_imports_no_torch(code):
    assert not loaded(code)[0] & {"torch", "pytorch_lightning", "torchvision"}


def test_every_list_says_what_the_classes_say():
    """What is read from the source equals what the imported classes have."""
    from datamodules.registry import DATAMODULES
    from lsood.methods import METHODS
    from networks.registry import NETWORKS

    for registry in (METHODS, DATAMODULES, NETWORKS):
        for name, entry in registry.entries.items():
            thing = registry[name]
            assert thing.name == name
            for attribute, value in entry.about.items():
                if attribute != "doc":
                    found = getattr(thing, attribute)
                    assert found == value or list(found) == list(value), (name, attribute)


def modules():
    for package in MAY_IMPORT:
        for info in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if not info.name.endswith("__main__") and "speed" not in info.name:
                yield info.name


def test_doctests():
    ran = 0
    for name in modules():
        result = doctest.testmod(importlib.import_module(name), extraglobs={}, verbose=False)
        assert result.failed == 0, name
        ran += result.attempted
    assert ran >= 15


def test_public_names():
    names = {
        "lsood": "Hook sample_latents entropy Activations Detector LaRED LaREM KDEClassifier Monitor auroc aupr "
        "fpr_at_tpr deeplabv3p_apply_dropout get_latent_representation_mcd_samples deeplabv3p_get_ls_mcd_samples "
        "get_dl_h_z build_ood_detection_ds get_ood_detector_results plot_roc_ood_detector plot_samples_pacmap "
        "log_evaluate_lared_larem ModelInfo NotFittedError __version__",
        "baselines": "MSP ODIN Mahalanobis FSSD DeepEnsemble",
        "datamodules": "CityscapesDataModule WoodScapeDataModule BDD100kDataModule BDD100kSegmentationDataModule "
        "CIFAR10DataModule Boxes BoxedSet "
        "FashionMNISTDataModule CamVidDataModule",
        "anomalies": "Recipe Mud Fog SunFlare Rain Snow",
    }
    for package, wanted in names.items():
        module = importlib.import_module(package)
        assert not [name for name in wanted.split() if not hasattr(module, name)]
        assert not [name for name in module.__all__ if not hasattr(module, name)]
