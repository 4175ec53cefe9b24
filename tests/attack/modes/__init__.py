"""One attack a file: `tasks(options)` lists the work, `work(task)` does a part of it and returns results."""
