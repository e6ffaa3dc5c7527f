"""The GovStack Payments building block, as a thin edge."""
