"""What is run, as plain data: suites and the rows, settings and numbers they are made of."""
