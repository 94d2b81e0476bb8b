"""The page at `/docs`: the columns of a row, and a form to try it. It loads nothing from anywhere else."""

import json
from html import escape
from typing import Any

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }}
tr {{ border-bottom: 1px solid #8884; }} textarea, pre {{ width: 100%; font: 13px/1.4 ui-monospace, monospace; }}
pre {{ white-space: pre-wrap; }} :root {{ color-scheme: light dark; }}
</style></head><body>
<h1>{title}</h1><p>{description} For programs: <a href="openapi.json">openapi.json</a>.</p>
<h2>Try it</h2>
<form><textarea name="rows" rows="{lines}" spellcheck="false">{example}</textarea>
<p><button>POST /predict</button></p></form><pre></pre>
<h2>A row</h2><table><tr><th>column<th>type<th>range or categories<th>required<th>example</tr>{rows}</table>
<h2>Paths</h2><table>{paths}</table>
<script>
document.forms[0].onsubmit = async event => {{
  event.preventDefault();
  const reply = await fetch("predict", {{
    method: "POST", headers: {{ "Content-Type": "application/json" }}, body: event.target.rows.value
  }});
  document.querySelector("pre").textContent = reply.status + "\\n" + JSON.stringify(await reply.json(), null, 2);
}};
</script></body></html>
"""


def page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document of this service."""
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    example = json.dumps(body["examples"]["row"]["value"], indent=2, ensure_ascii=False)
    row = document["components"]["schemas"]["Row"]
    return PAGE.format(
        title=escape(document["info"]["title"]),
        description=escape(document["info"]["description"]),
        example=escape(example),
        lines=example.count("\n") + 1,
        rows="".join(line(name, operation, name in row["required"]) for name, operation in row["properties"].items()),
        paths="".join(
            f"<tr><td>{method.upper()} {escape(path)}<td>{escape(operation['summary'])}</tr>"
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ),
    )


def line(name: str, schema: dict[str, Any], required: bool) -> str:
    """A column's line in the table."""
    kind = schema["type"] if isinstance(schema["type"], str) else " or ".join(schema["type"])
    if "enum" in schema:
        span = ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    elif "minimum" in schema:
        span = f"{schema['minimum']:g} to {schema['maximum']:g}"
    else:
        span = schema.get("description", "")
    example = json.dumps(schema["examples"][0], ensure_ascii=False) if "examples" in schema else ""
    cells = (name, kind, span, "yes" if required else "", example)
    return "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
