"""Exchange rates: dated, sourced, never changed; a conversion says how it rounds."""
