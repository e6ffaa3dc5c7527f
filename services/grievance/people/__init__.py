"""Who lives with whom, by id, as the registry told: nobody handles a case of her own household."""
