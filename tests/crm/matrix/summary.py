"""Says at the end of a run which points were killed, how often, and how soon others went on."""


def pytest_terminal_summary(terminalreporter) -> None:
    """One line per point, from what the tests of the matrix have noted."""
    passed = [r for r in terminalreporter.stats.get("passed", []) if r.when == "call"]
    noted = [noted for report in passed for noted in report.user_properties]
    rows = sorted(value for name, value in noted if name == "killed")
    if rows:
        terminalreporter.section(
            f"kill matrix: {len(rows)} points, {sum(r[1] for r in rows)} kills"
        )
    for point, rounds, slowest in rows:
        terminalreporter.line(f"{point:28} {rounds:3} kills  resumed within {slowest:.0f} s")
    for seen in [value for name, value in noted if name == "soak"]:
        told = ", ".join(f"{name} {number}" for name, number in seen.items())
        terminalreporter.line(f"soak: {told}; twice 0, lost 0")
