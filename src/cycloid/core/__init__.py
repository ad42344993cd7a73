"""What every branch stands on: results and statuses, tolerances, the loop, parallelism, formulas."""
