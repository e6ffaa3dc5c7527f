"""Who is who: records that the registry found to be one person or household. Read where money is decided."""
