"""From raw images to batches: pre-processing, augmentation, samples, loaders."""
