"""Columns of the tables that the evaluation of a run writes and the comparison reads. Imports no torch."""

CONFUSION = ("method", "seed", "condition", "block", "reference", "prediction", "count")
"""`confusion.csv`: rows of the matrix are the reference, codes of classes."""

OVERALL = ("count", "confidence_sum", "correct", "nll_sum", "brier_sum")
"""Sums in each bin of `calibration.csv`."""

BY_CLASS = ("count", "probability_sum", "positives")
"""Sums in each bin of `class_calibration.csv`."""

IMAGES = ("rmse", "psnr_db", "ssim", "ergas", "sam_deg")
"""Scores of each band in `image_scores.csv`."""
