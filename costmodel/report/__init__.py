"""The files that a tuning run leaves behind: the report and a picture of the search."""

from costmodel.report.files import output_directory, prepare_out, write_bytes, write_text
from costmodel.report.summary import ranking_quality, report_json
from costmodel.report.write import PLOT, REPORT, write_report

__all__ = [
    "PLOT",
    "REPORT",
    "output_directory",
    "prepare_out",
    "ranking_quality",
    "report_json",
    "write_bytes",
    "write_report",
    "write_text",
]
