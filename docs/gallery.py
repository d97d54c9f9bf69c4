"""``python docs/gallery.py``: the pictures of docs/anomalies.md, drawn on a frame of the generated miniature."""

from pathlib import Path

import cv2

from anomalies import Recipe, Scene
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
    scene = Scene(frame.target, data.class_names)
    folder = Path(__file__).parent / "gallery"
    folder.mkdir(exist_ok=True)
    for name in RECIPES:
        page = preview(frame.image, Recipe.named(name), scene=scene, width=200)
        cv2.imwrite(str(folder / f"{name}.jpg"), page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
