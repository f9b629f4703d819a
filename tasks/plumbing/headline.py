"""Prints the result of the study: `python -m tasks.plumbing.headline`."""

from pathlib import Path

from tasks.plumbing.files import read_table

RESULTS = Path("metrics/measure_transfer/languages.csv")
REPORT = Path("data/report/report.html")


def main() -> None:
    """A table of expected maximum toxicity per language, largest drop first, and where the report lies."""
    results = read_table(RESULTS, ["language", "metric", "before", "after", "change", "subset"])
    emt = results[(results["metric"] == "emt") & (results["subset"] == "aligned")]
    rows = emt.sort_values("change")
    print("\nExpected maximum toxicity (0 to 1), base model -> after tuning, 95% interval of the change")
    for row in rows.to_dict("records"):
        mark = "*" if row["p_holm"] < 0.05 else " "
        interval = f"[{row['change_low']:+.3f}, {row['change_high']:+.3f}]"
        print(
            f"  {row['language']:8} {row['before']:.3f} -> {row['after']:.3f}   {row['change']:+.3f} {interval} {mark}"
        )
    print("  * p < .05, permutation test, Holm-corrected over languages; 'others' is the mean of those without pairs")
    print(f"\nReport: {REPORT.resolve().as_uri()}")


if __name__ == "__main__":
    main()
