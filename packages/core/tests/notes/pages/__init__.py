"""Pages: texts under a title, each in a folder or in none."""
