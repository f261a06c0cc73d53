"""Records and notebooks -> the numbers and tables in the pages that are read, and figures/. The only hand that writes them."""


class ReportError(ValueError):
    """What can't be reported as it is; the message says why."""
