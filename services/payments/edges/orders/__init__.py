"""External orders: what a source asks us to pay, made into a cycle with control totals."""
