"""What differs between classification, segmentation and detection: one file per task."""
