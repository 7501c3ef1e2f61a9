"""Who is signed in: sessions, and the tokens that stand for them."""
