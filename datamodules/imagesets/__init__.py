"""Sets of raw images: files, arrays, subsets, boxes, drawn anomalies."""
