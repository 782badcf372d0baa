"""Worker processes, the timing policy and the output check."""
