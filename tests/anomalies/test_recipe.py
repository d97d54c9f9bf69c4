"""Recipes: choice, weights, fingerprints, files and messages."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from anomalies import ANOMALIES, Entry, Fog, Recipe, default_recipe, generator, recipe_names

REFERENCE = {"reference/cityscapes", "reference/woodscape", "reference/cifar10"}
FAMILIES = {"objects", "soiling", "weather", "lighting", "sensor", "geometric", "patches", "imagenet-c"}


def recipe(*entries):
    return Recipe("test", entries)


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_draw_what_they_say(name):
    shipped = Recipe.named(name)
    image = np.random.default_rng(0).integers(60, 200, (48, 96, 3), dtype=np.uint8)
    allowed = {(entry.kind, severity) for entry in shipped.entries for severity in entry.severities}
    seen = set()
    for i in range(12):
        drawn = shipped.render(image, str(i))
        seen.add((drawn.kind, drawn.severity))
        assert drawn.image.shape == image.shape
        assert (drawn.mask is None) == (ANOMALIES[drawn.kind].level == "image")
        if drawn.mask is not None:
            assert drawn.mask.shape == (48, 96)
            assert drawn.mask.dtype == np.uint8
            assert set(np.unique(drawn.mask)) <= {0, 1, 255}
    assert seen <= allowed


def test_names_and_default():
    assert set(recipe_names()) == REFERENCE | FAMILIES | {"default", "driving", "controls"}
    assert default_recipe("cifar10") == Recipe.named("default")
    assert default_recipe("camvid") == default_recipe("cityscapes") == Recipe.named("driving")
    assert [entry.kind for entry in Recipe.named("reference/woodscape").entries] == [
        "mud",
        "fog",
        "sun_flare",
    ]


@pytest.mark.parametrize("name", sorted(FAMILIES - {"objects", "imagenet-c"}))
def test_the_recipe_of_a_family_has_all_its_kinds(name):
    families = {"sensor": {"sensor", "blur", "noise"}}.get(name, {name})
    assert {entry.kind for entry in Recipe.named(name).entries} == {
        kind for kind, anomaly in ANOMALIES.items() if anomaly.family in families
    }


def test_an_image_is_a_function_of_recipe_seed_and_key():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    default = Recipe.named("default")
    forwards = {key: default.render(image, key, 7).image for key in "abcdef"}
    for key in reversed("abcdef"):
        np.testing.assert_array_equal(default.render(image, key, 7).image, forwards[key])
    assert any(not np.array_equal(default.render(image, key, 8).image, forwards[key]) for key in "abcdef")


def test_severities_share_their_random_numbers():
    """The same image at two severities shows the same anomaly, so that they can be compared."""
    image = np.full((64, 64, 3), 120, dtype=np.uint8)
    drawn = recipe(Entry("fog", severities=(2,))).render(image, "a", 3)
    np.testing.assert_array_equal(drawn.image, Fog(2).render(image, generator(3, "fog", "a")).image)


def test_weights_are_respected():
    mixture = recipe(Entry("mud", 3), Entry("fog", 1), Entry("rain", 4, severities=(2, 5)))
    drawn = [mixture.choose(str(i)) for i in range(4000)]
    counts = Counter(anomaly.kind for anomaly in drawn)
    assert chisquare([counts["mud"], counts["fog"], counts["rain"]], [1500, 500, 2000]).pvalue > 1e-4
    rain = Counter(anomaly.severity for anomaly in drawn if anomaly.kind == "rain")
    assert chisquare([rain[2], rain[5]]).pvalue > 1e-4
    mud = Counter(anomaly.severity for anomaly in drawn if anomaly.kind == "mud")
    assert chisquare([mud[s] for s in range(1, 6)]).pvalue > 1e-4


def test_fingerprint_is_stable():
    assert recipe(Entry("mud", 2, (1, 2)), Entry("fog")).fingerprint == PINNED


PINNED = "1386fc0bdec1c413207d7cf0c75be52038b75ad0cf7113e27cd57653096794da"


def test_fingerprint_is_sensitive(monkeypatch):
    recipes = [
        recipe(Entry("mud")),
        recipe(Entry("fog")),
        recipe(Entry("mud", 2), Entry("fog")),
        recipe(Entry("mud"), Entry("fog")),
        recipe(Entry("fog"), Entry("mud")),
        recipe(Entry("mud", severities=(3,))),
        recipe(Entry("mud", params=(("albedo", (0.5, 0.5, 0.5)),))),
    ]
    fingerprints = [r.fingerprint for r in recipes]
    monkeypatch.setattr(ANOMALIES["mud"], "version", ANOMALIES["mud"].version + 1)
    fingerprints.append(recipes[0].fingerprint)
    assert len(set(fingerprints)) == len(fingerprints)


def test_fingerprint_ignores_names_and_spelt_out_defaults():
    short, long = Recipe.parse("a", "- kind: fog"), Recipe.parse("b", "- {kind: fog, params: {scene: auto}}")
    assert short.fingerprint == long.fingerprint
    assert hash(short) != hash(long)


def test_yaml_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "- kind: mud\n  weight: 2\n  severity: [3, 4]\n  params: {albedo: [0.5, 0.4, 0.3]}\n"
        "- kind: fog\n  severity: 5\n- kind: identity\n  severity: mixed\n"
    )
    mud, fog, identity = Recipe.load(path).entries
    assert (mud.weight, mud.severities, mud.anomaly(3).albedo) == (2, (3, 4), (0.5, 0.4, 0.3))
    assert (fog.severities, identity.severities) == ((5,), (1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- kind: mudd", "unknown kind 'mudd'; did you mean 'mud'\\? kinds: .*mud"),
        ("- {kind: mud, severity: 7}", "mud: severity must be an integer from 1 to 5, got 7"),
        ("- {kind: mud, severity: [1, 9]}", "mud: severity must be an integer from 1 to 5, got 9"),
        ("- {kind: mud, severity: strong}", "got 'strong'"),
        ("- {kind: mud, severity: []}", "mud: severity must name at least one"),
        ("- {kind: mud, weight: 0}", "mud: weight must be a positive number, got 0"),
        ("- {kind: mud, weight: often}", "weight must be a positive number, got 'often'"),
        ("- {kind: mud, weight: .nan}", "weight must be a positive number, got nan"),
        ("- {kind: mud, colour: red}", "mud: unknown field 'colour'; fields: kind, weight, severity, params"),
        ("- {kind: mud, params: {depth: 3}}", "mud has no parameter 'depth'; parameters: albedo"),
        ("- {kind: rain, params: {depth: 3}}", "rain has no parameter 'depth'; parameters: none"),
        ("- {kind: fog, params: {scene: moon}}", "fog: scene must be"),
        ("- {kind: fog, params: 3}", "fog: params must be names with values, got 3"),
        ("- mud", "every entry needs a kind, got 'mud'"),
        ("kind: mud", "must be a list of entries"),
        ("", "must be a list of entries"),
        ("[]", "has no entries"),
        ("- kind: [", r"not valid YAML \(line"),
        ("- !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_bad_files_get_one_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Recipe.load(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"recipe {path}: ")


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no recipe file .*absent\.yaml"):
        Recipe.load(tmp_path / "absent.yaml")
    with pytest.raises(ValueError, match=r"unknown recipe 'x'; recipes: controls, default, driving, "):
        Recipe.named("x")


def test_bytes_are_no_recipe(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match="not a text file"):
        Recipe.load(path)
