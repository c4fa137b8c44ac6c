"""For OpenLineage: which topics and fields come from which, told as the runs of a job."""
