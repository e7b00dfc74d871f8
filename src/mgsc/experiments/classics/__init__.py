"""The classic results of Dyna: Sutton & Barto's figures 8.2, 8.4, 8.5 and example 8.4, run, drawn and checked."""
