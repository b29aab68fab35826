"""Trained runs on single items and files: maps of classes (`predict`) and pixels of another sensor (`harmonise`)."""
