"""What changes the workspace as a whole or looks at all of it: new services, and what a change touches."""
