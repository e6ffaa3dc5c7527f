"""Why was I not paid? One answer, in order and in words, from what payments knows by event (law 7)."""
