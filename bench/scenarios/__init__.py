"""What is measured. Each module has `run(bench)`, which writes raw lines, and `table(lines)`, which reads them."""
