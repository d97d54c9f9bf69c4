"""Methods by what a user types after --methods."""

import pytest

from lsood import LaRED
from lsood.methods import METHODS, chosen, create


@pytest.mark.parametrize(
    ("typed", "arguments"),
    [
        ("lared@pca=58", {"pca": 58, "bandwidth": 1.0}),
        ("lared@pca=none,bandwidth=.5", {"pca": None, "bandwidth": 0.5}),
        ("lared@pca=auto", {"pca": "auto", "bandwidth": 1.0}),
        ("knn@k=10,layer=layer3", {"k": 10, "layer": "layer3"}),
        ("fssd@relu1+relu2", {"layer": "relu1+relu2"}),
        ("lsood.latent:LaRED@pca=4", {"pca": 4}),
        ("mc-dropout-net@passes=32", {"passes": 32}),
        ("msp@proposals", {"over": "proposals"}),
    ],
)
def test_arguments_follow_the_name(typed, arguments):
    detector = create(typed)
    assert arguments.items() <= detector.get_params().items()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("lared@pcs=4", "method 'lared@pcs=4' has no 'pcs'; it takes: pca, bandwidth"),
        ("mc-dropout@layer4", "method 'mc-dropout@layer4' has no 'layer'; it takes: passes"),
        ("lared@pca=0", "method 'lared@pca=0': pca must be a number of components"),
        ("mc-dropout-net@networks=3", "has no 'networks'; it takes: passes"),
        ("lard2", "unknown method 'lard2'; did you mean 'lard'?"),
        ("lsood.latent:Nothing", "has no attribute 'Nothing'"),
    ],
)
def test_what_is_wrong_is_named(typed, message):
    with pytest.raises(ValueError) as error:
        create(typed)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_groups():
    post_hoc, everything = chosen(["post-hoc"]), chosen(["all"])
    kinds = METHODS
    assert {"lared", "msp", "odin", "vim", "rankfeat", "mc-dropout"} < set(post_hoc) < set(everything)
    assert set(everything) - set(post_hoc) == {
        n for n in everything if kinds[n].auxiliary_networks is not None
    }
    assert set(kinds) - set(everything) == {"kde-classifier", "latent-neighbour", "sml"}, (
        "OoD images; pixels only"
    )
    assert "latent-neighbour" in chosen(["post-hoc"], ("image", "pixel"))
    assert chosen(["msp", "post-hoc", "msp"])[0] == "msp" and chosen(["msp", "msp"]) == ("msp",)
    assert isinstance(create("lsood.latent:LaRED"), LaRED)
