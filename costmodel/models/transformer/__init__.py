"""The learned cost model: a transformer that reads a workload once and scores its schedules."""
