"""``python docs/gallery.py``: the pictures of docs/anomalies.md, drawn on a frame of the generated miniature."""

from dataclasses import replace
from pathlib import Path

import cv2

from anomalies import Recipe
from anomalies.preview import preview
from datamodules import CityscapesDataModule

FRAME = 9
RECIPES = (
    "objects",
    "soiling",
    "weather",
    "lighting",
    "sensor",
    "geometric",
    "patches",
    "imagenet-c",
    "controls",
)

if __name__ == "__main__":
    data = CityscapesDataModule(miniature=True)
    data.setup()
    frame = data.sets["test"].read(FRAME)
    scene = replace(data.view(), labels=frame.target)
    folder = Path(__file__).parent / "gallery"
    folder.mkdir(exist_ok=True)
    for name in RECIPES:
        page = preview(frame.image, Recipe.named(name), scene=scene, width=200)
        cv2.imwrite(str(folder / f"{name}.jpg"), page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
