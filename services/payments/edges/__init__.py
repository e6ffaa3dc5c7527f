"""Others asking us to pay: their orders become payment lists like any other; their wire words stay in their folders."""
