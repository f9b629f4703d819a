"""Makes the pages of `dvc plots` work without a network: DVC's own template loads Vega from a CDN."""

import subprocess
import sys
from pathlib import Path

import vl_convert

PAGE = Path(".dvc/tmp/offline_plots.html")


def main() -> None:
    """Writes a page template with Vega inside and points this clone's DVC to it."""
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    # DVC's plots call vegaEmbed while the page loads, a module runs after that: calls wait in a queue.
    PAGE.write_text(
        "<!DOCTYPE html><html><head><meta charset='utf-8'>{refresh_tag}<title>Plots of the study</title>"
        "<script>var waiting = []; window.vegaEmbed = (...call) => waiting.push(call);</script>"
        f"<script type='module'>{script}\nwaiting.forEach((call) => window.vegaEmbed(...call));</script></head>"
        "<body>{plot_divs}</body></html>",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", str(PAGE.resolve())]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
