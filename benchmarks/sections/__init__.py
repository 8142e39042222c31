"""One module per section of `benchmarks/metrics.py`; each has `async def run(options: Options) -> list[Figure]`."""
