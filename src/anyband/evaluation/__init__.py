"""Evaluation: integer confusion matrices per condition and block, calibration counts, cost."""
