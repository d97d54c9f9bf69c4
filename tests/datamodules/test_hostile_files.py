"""Archives made to crash the reader or to fill its memory: refused in one line, before anything is built."""

import gzip
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from datamodules.formats.cifar import cifar_part, read_batch
from datamodules.formats.idx import idx_part, read_idx
from datamodules.miniature.files import save_batch, save_idx
from datamodules.ood.svhn import SVHN


def named(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def dtype(code, state=b"NNN"):
    made = named("numpy", "dtype") + b"(U\x02" + code + b"K\x00K\x01tR"
    return made + b"(K\x03U\x01|" + state + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def array(shape, kind, raw):
    sizes = b"".join(b"J" + struct.pack("<i", size) for size in shape)
    start = named("numpy.core.multiarray", "_reconstruct") + b"(" + named("numpy", "ndarray")
    end = (
        b"K\x00\x85U\x01btR(K\x01("
        + sizes
        + b"t"
        + kind
        + b"\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb"
    )
    return start + end


def batch(data, labels):
    return b"\x80\x02}(U\x04data" + data + b"U\x06labels" + labels + b"u."


PIXELS = array((20, 3072), dtype(b"u1"), bytes(20 * 3072))


def test_a_python_2_batch_is_read(tmp_path):
    (tmp_path / "b").write_bytes(batch(PIXELS, array((20,), dtype(b"i8"), bytes(160))))
    images = cifar_part("cifar10", tmp_path, "test", ["b"], "labels", 10)
    assert len(images) == 20 and images.labels.tolist() == [0] * 20


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("order", "CF")
def test_batches_of_every_protocol_are_read(tmp_path, protocol, order):
    pixels = np.asarray(np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072), order=order)
    content = {b"data": pixels, b"labels": [3, 4], b"filenames": [b"a", b"b"]}
    (tmp_path / "b").write_bytes(pickle.dumps(content, protocol))
    found = read_batch(tmp_path / "b")
    assert np.array_equal(found["data"], pixels) and found["labels"] == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            batch(PIXELS, array((20,), dtype(b"O8"), b"AAAAAAAA" * 20)),
            "holds an array that is not of integers",
        ),
        (
            batch(array((20, 3072), dtype(b"u1"), bytes(9)), b"]"),
            r"holds an array of shape \(20, 3072\) in 9 bytes",
        ),
        (batch(array((20, -1), dtype(b"u1"), bytes(9)), b"]"), "holds an array of shape"),
        (
            batch(array((9,), dtype(b"u1", b"K\x05NN"), bytes(9)), b"]"),
            "an array has another dtype than integers",
        ),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "its memo has 2147483647 places in 9 bytes"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b"a.", "is no CIFAR batch and was not loaded"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**36) + b"a.", "is no CIFAR batch and was not loaded"),
        (b"\x80\x02" + named("numpy", "ndarray") + b"J\xff\xff\xff\x7f\x85R.", "it holds a _Array"),
        (
            b"\x80\x02" + named("builtins", "bytearray") + b"J\xff\xff\xff\x7f\x85R.",
            "refers to builtins.bytearray",
        ),
        (b"(" * 10 + b"t" * 11, "is no CIFAR batch"),
    ],
)
def test_hostile_batches_are_refused(tmp_path, content, message):
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"b is no CIFAR batch.*{message}|{message}"):
        read_batch(path)


def test_labels_that_expand_are_refused(tmp_path):
    labels = [0] * 10
    for _ in range(30):
        labels = [labels] * 10  # 10^31 numbers for numpy, 300 references in the file
    save_batch(tmp_path / "b", {b"data": np.zeros((2, 3072), np.uint8), b"labels": labels})
    with pytest.raises(
        ValueError, match=r"b is no batch of cifar10: it needs data \(N, 3072\) uint8 and labels"
    ):
        cifar_part("cifar10", tmp_path, "test", ["b"], "labels", 10)
    (tmp_path / "b").write_bytes(pickle.dumps({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, 4))
    with pytest.raises(ValueError, match="0 images, 0 labels"):
        cifar_part("cifar10", tmp_path, "test", ["b"], "labels", 10)


def idx(shape):
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()


def test_no_more_is_decompressed_than_the_header_promises(tmp_path):
    with gzip.open(tmp_path / "x.gz", "wb", compresslevel=1) as file:
        file.write(idx((5, 2)))
        for _ in range(64):
            file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"x\.gz holds more than the 10 bytes that its header promises"):
        read_idx(tmp_path / "x")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx((2**31, 28, 28)), "is to hold 1683627180032 bytes"),
        (idx((2**32 - 1,) * 4), "is to hold"),
        (idx((5,)) + b"abc", "truncated: 3 bytes instead of 5"),
        (b"\0\0\x08\x05\0\0", "its header is not whole"),
    ],
)
def test_idx_files_that_promise_what_they_do_not_hold(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    (tmp_path / "y.gz").write_bytes(gzip.compress(content))
    for name in "xy":
        with pytest.raises(ValueError, match=message):
            read_idx(tmp_path / name)
    (tmp_path / "y.gz").write_bytes(gzip.compress(idx((5,)) + b"abcde")[:-9])
    with pytest.raises(ValueError, match=r"y\.gz is no whole gzip file"):
        read_idx(tmp_path / "y")


def test_labels_of_idx_files_are_checked(tmp_path):
    raw = tmp_path / "raw"
    save_idx(raw / "t10k-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8))
    for labels, message in (
        (np.array([3, 200], np.uint8), r"t10k-labels-idx1-ubyte holds label 200, which is none of 0\.\.9"),
        (np.zeros((2, 3), np.uint8), r"labels \(2, 3\) instead of \(N, H, W\) and \(N,\)"),
    ):
        save_idx(raw / "t10k-labels-idx1-ubyte", labels)
        with pytest.raises(ValueError, match=message):
            idx_part("mnist", tmp_path, "test")
    save_idx(raw / "t10k-labels-idx1-ubyte", np.array([3, 9], np.uint8))
    assert idx_part("mnist", tmp_path, "test").labels.tolist() == [3, 9]


def test_svhn_of_another_shape_is_refused_before_it_is_read(tmp_path, monkeypatch):
    from scipy import io

    io.savemat(tmp_path / "test_32x32.mat", {"X": np.zeros((64, 64, 3, 2), np.uint8)}, do_compression=True)
    monkeypatch.setattr("scipy.io.loadmat", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(
        ValueError, match=r"is no SVHN file: X has the shape \(64, 64, 3, 2\), not \(32, 32, 3, N\)"
    ):
        SVHN.load(tmp_path)
    monkeypatch.undo()
    io.savemat(tmp_path / "test_32x32.mat", {"X": np.full((32, 32, 3, 2), 7, np.uint8)})
    assert SVHN.load(tmp_path).images.shape == (2, 32, 32, 3)
