"""Measured data sets as Parquet files: what models are trained on and judged by."""
