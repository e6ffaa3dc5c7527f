"""Fact tables: one row per household, enrolment, entitlement, cycle, payment and case, as last told."""
