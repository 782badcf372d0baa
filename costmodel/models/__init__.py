"""Cost models: the analytic roofline and gradient-boosted trees."""
