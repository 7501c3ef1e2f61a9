"""What somebody who is signed in sees and does of their own account."""
