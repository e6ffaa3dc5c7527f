"""Who answers complaints: areas, levels, and how many cases each can take."""
