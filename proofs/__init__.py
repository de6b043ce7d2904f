"""What is promised of the service, proven: each breaks something, and ends with status 1 if a promise does not hold."""
