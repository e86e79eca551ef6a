"""Says at the end of a run which points were killed, how often, and how soon others went on."""


def pytest_terminal_summary(terminalreporter) -> None:
    """One line per point, from what the tests of the matrix have noted."""
    rows = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "killed" and report.when == "call"
    ]
    if rows:
        terminalreporter.section(
            f"kill matrix: {len(rows)} points, {sum(r[1] for r in rows)} kills"
        )
        for point, rounds, slowest in sorted(rows):
            terminalreporter.line(f"{point:28} {rounds:3} kills  resumed within {slowest:.0f} s")
