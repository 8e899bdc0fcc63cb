"""Reports of training runs: gathered from the history, shown as HTML, PDF or JSON.

Needs no daemon and no torch; it is slow to import (matplotlib), so import it where it is used.
"""

from btc_ai.reports.make import FORMS, Form, make_report, write_report

__all__ = ["FORMS", "Form", "make_report", "write_report"]
