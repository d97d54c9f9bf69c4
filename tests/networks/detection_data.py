"""Images with coloured rectangles: the class of an object is its colour."""

import torch
from torch.utils.data import DataLoader, Dataset


def collate(samples):
    return {
        "image": torch.stack([s["image"] for s in samples]),
        "target": [s["target"] for s in samples],
        "key": [s["key"] for s in samples],
    }


class Rectangles(Dataset):
    """``n`` images of 64 x 96 pixels with 0 to 3 rectangles of 3 colours."""

    def __init__(self, n, seed=0):
        random = torch.Generator().manual_seed(seed)
        self.samples = []
        for index in range(n):
            image, boxes, labels = 0.3 * torch.randn(3, 64, 96, generator=random), [], []
            for _ in range(index % 4):
                w, h = torch.randint(12, 32, (2,), generator=random).tolist()
                x = int(torch.randint(0, 96 - w, (1,), generator=random))
                y = int(torch.randint(0, 64 - h, (1,), generator=random))
                label = int(torch.randint(0, 3, (1,), generator=random))
                image[:, y : y + h, x : x + w] = -1.0
                image[label, y : y + h, x : x + w] = 2.0
                boxes.append([x, y, x + w, y + h])
                labels.append(label)
            target = {
                "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                "labels": torch.tensor(labels, dtype=torch.int64),
            }
            self.samples.append({"image": image, "target": target, "key": f"{seed}.{index}"})

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def loader(n, seed=0, shuffle=False, batch=8):
    generator = torch.Generator().manual_seed(0)
    return DataLoader(Rectangles(n, seed), batch, shuffle=shuffle, generator=generator, collate_fn=collate)
