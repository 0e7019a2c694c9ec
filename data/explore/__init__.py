"""What is in a data set: `python -m data.explore --dataset ml-1m` writes figures and a report."""
