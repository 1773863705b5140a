"""What a finished run comes to: its figures, as the records of the report."""
