"""What the tests stand on: real servers, hostile servers, and clients to ask them with."""
