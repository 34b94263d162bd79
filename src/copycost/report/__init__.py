"""The report: a pure function of the records that runs leave on disk."""
