"""Writing images, labels and archives of the official layouts."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def save_image(path: Path, image: NDArray[Any]) -> None:
    """RGB (H, W, 3), grey or label (H, W) uint8 or uint16, in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = PNG if path.suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 95]
    done, data = cv2.imencode(path.suffix, pixels, options)
    if not done:
        raise ValueError(f"cannot encode {path}")
    path.write_bytes(data.tobytes())


def save_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """An idx file of unsigned bytes, as MNIST's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(header + np.ascontiguousarray(values).tobytes())


def save_batch(path: Path, content: dict[bytes, Any]) -> None:
    """A CIFAR batch: a pickle with byte keys, readable by every reader of the official files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def rows_of(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 32, 32, 3) -> (N, 3072): the red plane, then green, then blue."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
