"""The compression report: ONE self-contained HTML page, from measured models and a sensitivities file.

`facts.py` collects what is shown, as plain data; `template.html`, `page.css` and `page.js` show it, with
Plotly for the charts. Everything is inside the file: it opens without a network.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def html(facts: Mapping[str, Any]) -> str:
    """The page for `facts` of `facts.collect`, whose `check` says whether there can be one."""
    from plotly.offline import get_plotlyjs

    data = json.dumps(facts, allow_nan=False).replace("</", "<\\/")  # cannot end the element it is in
    parts = {
        "TITLE": facts["title"].replace("&", "&amp;").replace("<", "&lt;"),
        "STYLE": (HERE / "page.css").read_text(encoding="utf-8"),
        "PLOTLY": get_plotlyjs(),
        "FACTS": data,
        "SCRIPT": (HERE / "page.js").read_text(encoding="utf-8"),
    }
    page = (HERE / "template.html").read_text(encoding="utf-8")
    before, *rest = page.split("{{")
    pieces = [before]
    for piece in rest:
        name, after = piece.split("}}", 1)
        pieces += [parts[name], after]
    return "".join(pieces)
