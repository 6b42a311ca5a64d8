"""What people and programs receive; one writer a format."""
