"""Sensor and transmission faults: counts, structure, closed forms."""

from itertools import pairwise

import numpy as np
import pytest

from anomalies import ANOMALIES, Scene, generator
from anomalies.kinds.sensor.band_missing import BAND
from anomalies.kinds.sensor.bayer_mismatch import MIXED
from anomalies.kinds.sensor.channel_fault import SHARES, ChannelFault
from anomalies.kinds.sensor.dead_lines import LINES
from anomalies.kinds.sensor.dead_pixels import DEFECTS
from anomalies.kinds.sensor.flicker import FLICKER
from anomalies.kinds.sensor.lens_cap import COVERED
from anomalies.kinds.sensor.quantisation import BITS
from anomalies.kinds.sensor.row_noise import ROW_GAIN, ROW_OFFSET
from anomalies.kinds.sensor.torn_frame import TORN
from anomalies.kinds.sensor.vignetting import FALLOFF
from anomalies.toolkit.faults import amount, best, flat, replaced

SEVERITIES = range(1, 6)


def uniform(level, shape=(256, 512, 3)):
    return np.full(shape, level, dtype=np.uint8)


def textured(shape=(256, 512, 3), seed=0):
    rows = np.linspace(190, 70, shape[0])[:, None, None]
    return (rows + np.random.default_rng(seed).integers(-40, 41, shape)).astype(np.uint8)


def render(kind, severity, image, key="a", scene=Scene()):
    return ANOMALIES[kind](severity).render(image, generator(0, kind, key), scene)


def broken_sites(image):
    """Pixels of an RGGB sensor that are at black or white in their own colour."""
    rows, columns = np.indices(image.shape[:2])
    own = np.take_along_axis(image, (rows % 2 + columns % 2)[..., None], axis=2)[..., 0]
    return own, (own == 0) | (own == 255)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_dead_pixels_are_as_many_as_the_table_says(severity):
    own, broken = broken_sites(render("dead_pixels", severity, uniform(120)).image)
    assert broken.sum() == round(DEFECTS[severity - 1] * broken.size)
    if severity > 2:
        assert (own[broken] == 255).mean() == pytest.approx(0.7, abs=0.06)


def test_dead_pixels_stay_dead_as_more_die():
    sites = [broken_sites(render("dead_pixels", s, uniform(120)).image)[1] for s in SEVERITIES]
    for weaker, stronger in pairwise(sites):
        assert (weaker <= stronger).all()


def test_demosaicing_spreads_a_dead_pixel():
    """A red or blue site has a quarter of the sensor: its error is seen fourfold, that of a green one twofold.
    Each is a cross or a square of three pixels.
    """
    image = uniform(100, (64, 64, 3))
    rendered = render("dead_pixels", 1, image, "b")
    change = rendered.image.astype(int) - image
    _, broken = broken_sites(rendered.image)
    for row, column in np.argwhere(broken[2:-2, 2:-2]) + 2:
        channel = row % 2 + column % 2
        around = change[row - 1 : row + 2, column - 1 : column + 2, channel] / change[row, column, channel]
        expected = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
        if channel == 1:
            expected = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
        if broken[row - 2 : row + 3, column - 2 : column + 3].sum() == 1:
            np.testing.assert_allclose(around, expected, atol=0.01)
    assert rendered.alpha.sum() == (np.abs(change).max(axis=2) >= 3).sum()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_dead_lines_are_as_many_as_the_table_says(severity):
    alpha = render("dead_lines", severity, uniform(120, (512, 600, 3)), "c").alpha
    # Every line runs to the last row or to the last column.
    assert alpha[-1].sum() + alpha[:, -1].sum() == amount(severity, LINES, 512)
    image = render("dead_lines", severity, uniform(120, (512, 600, 3)), "c").image
    assert set(np.unique(image[alpha == 1])) <= {0, 60, 180, 255}


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_band_is_whole_rows_and_grows(severity, key):
    image = textured()
    rendered = render("band_missing", severity, image, key)
    rows = rendered.alpha.min(axis=1)
    np.testing.assert_array_equal(rendered.alpha, np.repeat(rows[:, None], 512, axis=1))
    assert rows.sum() == round(BAND[severity - 1] * 256) == rendered.details["rows"]
    assert np.abs(np.diff(rows)).sum() <= 2
    if severity > 1:
        assert (render("band_missing", severity - 1, image, key).alpha <= rendered.alpha).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_lost_blocks_lie_on_the_grid_of_the_codec(severity):
    image = textured((512, 1024, 3))
    alpha = render("block_loss", severity, image).alpha
    blocks = alpha.reshape(64, 8, 128, 8)
    np.testing.assert_array_equal(blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3)))
    lost = blocks[:, 0, :, 0]
    runs = (np.diff(lost, axis=1, prepend=0) == 1).sum()
    assert 0.7 * (2, 6, 16, 40, 90)[severity - 1] <= runs <= (2, 6, 16, 40, 90)[severity - 1]
    if severity > 1:
        assert (render("block_loss", severity - 1, image).alpha <= alpha).all()


def test_bit_errors_flip_upper_bits_and_none_twice():
    image = textured()
    flipped = [render("bit_errors", s, image).image ^ image for s in SEVERITIES]
    for errors in flipped:
        assert set(np.unique(errors)) <= {0, 64, 128}
    for weaker, stronger in pairwise(flipped):
        np.testing.assert_array_equal(weaker & stronger, weaker)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("fault", ["drop", "stuck", "swap", "gain"])
def test_channel_faults(fault, severity):
    image = textured()
    image[..., 1] //= 2
    image[..., 2] //= 3
    drawn = ChannelFault(severity, fault).render(image, generator(0, "channel_fault", "a")).image
    changed = [c for c in range(3) if not np.array_equal(drawn[..., c], image[..., c])]
    assert len(changed) == (2 if fault == "swap" else 1)
    old = image.astype(float)
    worst = {
        "drop": np.zeros_like(old),
        "stuck": np.full_like(old, 255),
        "swap": old[..., [changed[0], changed[-1]]][..., ::-1],
        "gain": np.minimum(2 * old, 255),
    }[fault]
    share = SHARES[severity - 1]
    for i, c in enumerate(changed):
        bad = worst[..., i] if fault == "swap" else worst[..., c]
        np.testing.assert_allclose(drawn[..., c], share * bad + (1 - share) * old[..., c], atol=0.51)


def test_unknown_channel_fault():
    with pytest.raises(ValueError, match=r"channel_fault: fault must be one of drop, .*got 'lost'"):
        ChannelFault(3, "lost")


def test_bayer_mismatch_is_a_mixture_and_turns_colours():
    image = uniform((200, 40, 30))
    for key in "abcd":
        wrong = render("bayer_mismatch", 5, image, key).image.astype(float)
        inside = wrong[8:-8, 8:-8].mean(axis=(0, 1))
        assert inside[0] - inside[1:].max() < 0.5 * (200 - 40)
        for severity, share in zip(SEVERITIES, MIXED, strict=True):
            mixed = render("bayer_mismatch", severity, image, key).image
            np.testing.assert_allclose(mixed, share * wrong + (1 - share) * image, atol=0.51)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_quantisation_leaves_the_number_of_levels(severity):
    image = np.tile(np.arange(256, dtype=np.uint8), (64, 1))[..., None]
    drawn = render("quantisation", severity, image).image
    bits = BITS[severity - 1]
    assert max(len(np.unique(row)) for row in drawn) <= 2**bits + 1
    assert np.abs(drawn.astype(int) - image).max() <= 2 ** (8 - bits) / 2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_row_noise_has_its_gain(severity):
    drawn = render("row_noise", severity, uniform(120, (2048, 16, 1))).image
    assert (drawn == drawn[:, :1]).all()
    expected = ROW_GAIN[severity - 1] * np.hypot(120, ROW_OFFSET)
    assert drawn.astype(float).std() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_flicker_has_its_period_and_amplitude(severity, key):
    rendered = render("flicker", severity, uniform(120, (600, 16, 1)), key)
    assert (rendered.image == rendered.image[:, :1]).all()
    wave = rendered.image[:, 0, 0] / 120 - 1
    period = rendered.details["period"]
    assert 0.12 * 600 <= period <= 0.45 * 600
    rows = np.arange(600)
    # The same one period later, not the same half a period later.
    later = np.interp(rows[rows + period < 599] + period, rows, wave)
    assert np.abs(later - wave[: later.size]).max() <= 1.5 / 120
    half = np.interp(rows[rows + period / 2 < 599] + period / 2, rows, wave)
    assert np.corrcoef(half, wave[: half.size])[0, 1] < -0.5
    assert 0.75 * FLICKER[severity - 1] < np.abs(wave).max() < FLICKER[severity - 1] + 1 / 120


@pytest.mark.parametrize("severity", SEVERITIES)
def test_vignetting_takes_its_share_from_the_corner(severity):
    drawn = render("vignetting", severity, uniform(200)).image[..., 0].astype(float)
    corners = drawn[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() == drawn.min() == pytest.approx(200 * (1 - FALLOFF[severity - 1]), abs=3)
    assert drawn.max() >= 199
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert abs(y - 128) < 0.2 * 256
    assert abs(x - 256) < 0.2 * 256


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["a", "b"])
def test_lens_cap_covers_its_share_with_a_soft_edge(severity, key):
    rendered = render("lens_cap", severity, textured(), key)
    assert (rendered.alpha >= 0.5).mean() == pytest.approx(COVERED[severity - 1], abs=0.01)
    assert np.abs(np.diff(rendered.alpha, axis=0)).max() < 0.05
    assert rendered.image[rendered.alpha > 0.99].max() < 30


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_torn_frame_moves_rows_and_their_labels(severity, key):
    image = textured()
    scene = Scene(labels=image[..., 0].copy(), classes=())
    rendered = render("torn_frame", severity, image, key, scene)
    np.testing.assert_array_equal(rendered.labels, rendered.image[..., 0])
    np.testing.assert_array_equal(scene.labels, image[..., 0])
    np.testing.assert_array_equal(np.sort(rendered.image, axis=1), np.sort(image, axis=1))
    moved = (rendered.image != image).any(axis=(1, 2))
    assert moved.sum() == round(TORN[severity - 1] * 256)
    assert moved[-moved.sum() :].all()


def test_amount_grows_by_at_least_a_step():
    shares = (0.1, 0.1, 0.5, 0.5, 1.0)
    assert [amount(s, shares, 10) for s in SEVERITIES] == [1, 2, 5, 6, 10]
    assert [amount(s, shares, 10, step=3) for s in SEVERITIES] == [3, 6, 9, 12, 15]


def test_best_takes_the_first_that_can_be_told():
    old = uniform(100, (4, 4, 3))
    hidden, seen, also = flat(101, old), flat(110, old), flat(0, old)
    assert best(old, [hidden, seen, also]) is seen
    assert best(old, [hidden, flat(100, old)]) is hidden


def test_replaced_leaves_what_cannot_be_seen():
    old = uniform(100, (2, 3, 3))
    new = old.copy()
    new[0, 0, 1], new[1, 1, 2] = 102, 103
    image, alpha = replaced(old, new)
    assert alpha.sum() == alpha[1, 1] == 1
    assert image[0, 0, 1] == 100
    assert image[1, 1, 2] == 103
