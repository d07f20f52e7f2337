"""Draws the dashboards without Grafana, for looking at them: look.py PROMETHEUS OUT [UID…].

Asks a Prometheus what the panels of each dashboard ask for, lays them out as Grafana does, and writes a page
of HTML with the charts as SVG into the directory OUT; where Chromium is there, also a picture of it. It knows
what our dashboards use of Grafana, no more. From where to look back, in seconds since 1970, is AT (now), and
how far, in seconds, SPAN (what the dashboard says). What cannot be asked is told, and exits with 1.
"""

import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy/observability/grafana/dashboards"
WIDTH, CELL, GAP = 1600, 38, 8  # of the page, of a unit of height, and between panels, in pixels
SPANS = {"m": 60, "h": 3600, "d": 86400}
# What lines without a colour of their own are mixed from.
SHADES = [0, 0.35, -0.3, 0.6, -0.5, 0.2, -0.15, 0.75, -0.62, 0.48]


class Prometheus:
    """Asks for the values of a dashboard's queries."""

    def __init__(self, url, dashboard):
        self.url, self.wrong = url.rstrip("/"), []
        self.end = float(os.environ.get("AT", time.time()))
        since = re.fullmatch(r"now-(\d+)([mhd])", dashboard["time"]["from"])
        self.span = float(os.environ.get("SPAN", int(since[1]) * SPANS[since[2]]))
        self.marks = []
        self.variables = {
            variable["name"]: variable["current"].get("value", "")
            for variable in dashboard["templating"]["list"]
        }

        for mark in dashboard["annotations"]["list"]:
            for _, points in self.ask(mark["expr"], 30):
                self.marks.append((points[0][0], mark["iconColor"]))

    def ask(self, expr, range_step=None):
        """A list of (labels, [(time, value)…])."""
        step = range_step or max(30, self.span / 100)
        names = {
            **self.variables,
            "__rate_interval": f"{int(max(step + 15, 60))}s",
            "__range": f"{int(self.span)}s",
        }
        query = re.sub(r"\$(\w+)", lambda name: names[name[1]], expr)
        if range_step is None:
            path, asked = "query", {"query": query, "time": self.end}
        else:
            start = self.end - self.span
            path, asked = "query_range", {"query": query, "start": start, "end": self.end, "step": step}
        try:
            data = urllib.parse.urlencode(asked).encode()
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=60) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            self.wrong.append(f"{query}: {json.load(error).get('error')}")
            return []
        except urllib.error.URLError as error:
            sys.exit(f"{self.url} cannot be asked: {error.reason}")
        series = ((it["metric"], it.get("values") or [it["value"]]) for it in result)
        return [(labels, [(at, float(value)) for at, value in values]) for labels, values in series]


def shade(colour, by):
    """A colour mixed with white, or with black where it is negative."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    to = 255 if by > 0 else 0
    return "#" + "".join(f"{int(part + (to - part) * abs(by)):02x}" for part in parts)


def short(value, unit):
    """A value as Grafana writes it, more or less."""
    if value is None or math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{float(f'{100 * value:.3g}'):,g} %"
    if unit == "s":
        for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return "0 s"
    suffix = {"bytes": "B"}.get(unit, unit.removeprefix("suffix:") if ":" in unit else "")
    names = (" Bil", " Mil", " K") if unit == "short" else (" G", " M", " k")
    for size, name in zip((1e9, 1e6, 1e3), names):
        if abs(value) >= size:
            return f"{value / size:.3g}{name}{suffix}"
    return f"{value:.3g}{' ' + suffix if suffix else ''}"


class Panel:
    """A panel, its queries' answers, and how it is drawn in so many pixels."""

    def __init__(self, panel, prometheus, width, height):
        self.panel, self.prometheus, self.width, self.height = panel, prometheus, width, height
        self.field = panel["fieldConfig"]["defaults"]
        self.unit, self.nothing = self.field["unit"], html.escape(self.field["noValue"])
        self.steps = self.field["thresholds"]["steps"]
        states = [it["options"] for it in self.field["mappings"] if it["type"] == "value"]
        self.mapped = states[0] if states else {}
        self.overrides = {
            (it["matcher"]["options"], of["id"]): of["value"]
            for it in panel["fieldConfig"]["overrides"]
            for of in it["properties"]
        }
        self.step = max(30, prometheus.span / max(width, 1) * 2)

    def series(self):
        """All queries' series, as (name, points)."""
        found = []
        for target in self.panel["targets"]:
            step = self.step if target["range"] else None
            for labels, points in self.prometheus.ask(target["expr"], step):
                name = re.sub(r"{{(\w+)}}", lambda it: labels.get(it[1], ""), target["legendFormat"])
                found.append((name.strip(), points))
        return found

    def courses(self):
        """The same, without what is no number."""
        courses = [(name, [it for it in points if not math.isnan(it[1])]) for name, points in self.series()]
        return [it for it in courses if it[1]]

    def colour(self, name, at):
        """The colour of the series with this name and place."""
        override = self.overrides.get((name, "color"))
        if override:
            return override["fixedColor"]
        return shade(self.field["color"]["fixedColor"], SHADES[at % len(SHADES)])

    def threshold(self, value):
        """The colour of a value by the thresholds or states."""
        state = self.mapped.get(f"{value:g}")
        if state:
            return state["color"]
        if self.field["color"]["mode"] == "fixed":
            return self.field["color"]["fixedColor"]
        return [it["color"] for it in self.steps if it["value"] is None or value >= it["value"]][-1]

    def x(self, at, left, width):
        return left + (at - self.prometheus.end + self.prometheus.span) / self.prometheus.span * width

    def draw(self):
        draw = {
            "stat": self.stat, "timeseries": self.lines, "heatmap": self.heatmap, "table": self.table,
            "state-timeline": self.states, "bargauge": self.bars,
        }
        return draw[self.panel["type"]]() or f'<div class="nothing">{self.nothing}</div>'

    def svg(self, parts):
        return f'<svg width="{self.width}" height="{self.height}">{"".join(parts)}</svg>'

    def text(self, x, y, text, style=""):
        return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'

    def stat(self):
        series = self.series()
        shown, parts = [], []
        named = self.panel["options"]["textMode"] == "value_and_name"
        for name, points in series:
            value = points[-1][1]
            if math.isnan(value):
                return None
            colour = self.threshold(value)
            if len(series) == 1:
                parts = [self.sparkline([it for it in points if not math.isnan(it[1])], colour)]
            size = 40 if len(series) == 1 else 26
            label = f"<small>{html.escape(name)}</small> " if named else ""
            value = html.escape(short(value, self.unit))
            shown.append(f'<div style="color:{colour};font-size:{size}px">{label}{value}</div>')
        return series and self.svg(parts) + f'<div class="stat">{"".join(shown)}</div>'

    def sparkline(self, points, colour):
        top = max(value for _, value in points) or 1
        low, high = self.height, self.height * 0.65
        line = [(self.x(at, 0, self.width), low - (low - high) * value / top) for at, value in points]
        return area(line, [(x, low) for x, _ in line], colour, 0.15)

    def lines(self):
        series = self.courses()
        if not series:
            return None
        stacked = self.field["custom"].get("stacking")
        names = [name for name, _ in series]
        left, right, top, bottom = 62, 8, 6, self.legend_height(names) + 22
        width, height = self.width - left - right, self.height - top - bottom
        drawn, sums = [], {}
        for at, (name, points) in enumerate(series):
            below = [(time, sums.get(time, 0) if stacked else 0) for time, _ in points]
            above = [(time, value + base) for (time, value), (_, base) in zip(points, below)]
            sums.update(above)
            drawn.append((self.colour(name, at), below, above))
        highest = max(value for _, _, above in drawn for _, value in above)
        most = self.field.get("max") or nice(highest) or 1
        y = lambda value: top + height * (1 - max(0, min(value / most, 1)))
        parts = self.axes(left, top, width, height, [(most * at / 4, y(most * at / 4)) for at in range(5)])
        custom = self.field["custom"]
        for colour, below, above in drawn:
            pixels = lambda points: [(self.x(at, left, width), y(value)) for at, value in points]
            opacity = custom["fillOpacity"] / 100
            parts.append(area(pixels(above), pixels(below), colour, opacity, custom["lineWidth"]))
        colours = [self.colour(name, at) for at, name in enumerate(names)]
        return self.svg(parts) + self.legend(list(zip(colours, names)))

    def axes(self, left, top, width, height, marks):
        parts = []
        for value, y in marks:
            parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(self.text(left - 6, y + 4, short(value, self.unit), 'text-anchor="end"'))
        for at in range(5):
            when = self.prometheus.end - self.prometheus.span * (1 - (at + 0.5) / 5)
            form = "%H:%M" if self.prometheus.span <= 86400 else "%a %H:%M"
            text, x = time.strftime(form, time.localtime(when)), self.x(when, left, width)
            parts.append(self.text(x, top + height + 15, text, 'text-anchor="middle"'))
        for when, colour in self.prometheus.marks:
            x = self.x(when, left, width)
            parts.append(
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" '
                f'stroke="{colour}"/>'
            )
        return parts

    def legend_height(self, names):
        """Of a legend of these names, in as many lines as they need."""
        lines = math.ceil(sum(36 + 6.6 * len(name) for name in names) / self.width)
        return 6 + 17 * min(lines, 3)

    def legend(self, names):
        entries = (f'<i style="background:{colour}"></i>{html.escape(name)} ' for colour, name in names)
        return f'<div class="legend">{" ".join(f"<span>{entry}</span>" for entry in entries)}</div>'

    def heatmap(self):
        series = [(float(name.replace("+Inf", "inf")), dict(points)) for name, points in self.courses()]
        series.sort(key=lambda it: it[0])
        cells, before = [], {}
        for bound, points in series:
            cells.append((bound, {at: max(0, value - before.get(at, 0)) for at, value in points.items()}))
            before = points
        most = max((value for _, points in cells for value in points.values()), default=0)
        if not most:
            return None
        left, right, top, bottom = 62, 8, 6, 24
        width, height = self.width - left - right, self.height - top - bottom
        row, column = height / len(cells), width / (self.prometheus.span / self.step)
        marks = [(bound, top + height - row * (at + 0.5)) for at, (bound, _) in enumerate(cells)]
        parts = self.axes(left, top, width, height, [it for it in marks if it[0] < math.inf])
        fill = self.panel["options"]["color"]["fill"]
        for at, (_, points) in enumerate(cells):
            for when, value in points.items():
                if value > 0.01:
                    x, y = self.x(when, left, width) - column, top + height - row * (at + 1)
                    parts.append(
                        f'<rect x="{x:.1f}" y="{y:.1f}" width="{column - 1:.1f}" height="{row - 1:.1f}" '
                        f'fill="{fill}" opacity="{0.1 + 0.9 * (value / most) ** 0.5:.2f}"/>'
                    )
        return self.svg(parts)

    def states(self):
        series = self.courses()
        if not series:
            return None
        left = 24 + 6.4 * max(len(name) for name, _ in series)
        right, top, bottom = 8, 6, 45
        width, height = self.width - left - right, self.height - top - bottom
        row = height / len(series)
        parts = self.axes(left, top, width, height, [])
        for at, (name, points) in enumerate(series):
            y = top + row * at
            parts.append(self.text(left - 8, y + row / 2 + 4, name, 'text-anchor="end"'))
            for begin, end, colour in self.spans(points):
                x = self.x(begin, left, width)
                parts.append(
                    f'<rect x="{x:.1f}" y="{y + row * 0.1:.1f}" height="{row * 0.8:.1f}" fill="{colour}" '
                    f'width="{self.x(min(end, self.prometheus.end), left, width) - x:.1f}" opacity="0.8"/>'
                )
        if self.mapped:
            names = [(it["color"], it["text"]) for it in self.mapped.values()]
        else:
            below = [(self.steps[0]["color"], f"< {short(self.steps[1]['value'], self.unit)}")]
            names = below + [(it["color"], f"{short(it['value'], self.unit)}+") for it in self.steps[1:]]
        return self.svg(parts) + self.legend(names)

    def spans(self, points):
        """The times in which points follow each other and have one colour: (begin, end, colour)."""
        spans = []
        for at, value in points:
            colour = self.threshold(value)
            if spans and spans[-1][2] == colour and at <= spans[-1][1] + 1:
                spans[-1][1] = at + self.step
            else:
                spans.append([at, at + self.step, colour])
        return spans

    def bars(self):
        series = sorted(self.courses(), key=lambda it: -it[1][-1][1])
        most = max((points[-1][1] for _, points in series), default=0) or 1
        rows = []
        for name, points in series:
            value = points[-1][1]
            colour = self.threshold(value)
            rows.append(
                f'<tr><td class="name">{html.escape(name)}</td><td style="width:55%"><div class="bar" style="'
                f'width:{100 * value / most:.1f}%;background:{colour}"></div></td>'
                f'<td style="color:{colour}">{short(value, self.unit)}</td></tr>'
            )
        return rows and f'<table class="bars">{"".join(rows)}</table>'

    def table(self):
        organize = self.panel["transformations"][1]["options"]
        names, order = organize["renameByName"], organize["indexByName"]
        values = sorted(name for name in names if name.startswith("Value"))
        labels = sorted((name for name in names if name not in values), key=order.get)
        rows = {}
        for target, value in zip(self.panel["targets"], values):
            for metric, points in self.prometheus.ask(target["expr"]):
                key = tuple(metric.get(label, "") for label in labels)
                rows.setdefault(key, {})[value] = points[-1][1]
        first = lambda row: -row[1].get(values[0], 0)
        cell = lambda value, column: short(value, self.overrides.get((names[column], "unit"), self.unit))
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(it)}</td>" for it in key)
            + "".join(f'<td>{cell(row.get(it), it)}</td>' for it in values) + "</tr>"
            for key, row in sorted(rows.items(), key=first)
        )
        head = "".join(f"<th>{html.escape(names[it])}</th>" for it in labels + values)
        return rows and f'<table class="table"><tr>{head}</tr>{body}</table>'


def area(above, below, colour, opacity, line=1):
    """A line, and what is between it and another."""
    path = lambda points: " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polygon points="{path(above + below[::-1])}" fill="{colour}" opacity="{opacity}"/>'
        f'<polyline points="{path(above)}" fill="none" stroke="{colour}" stroke-width="{1.3 * line}"/>'
    )


def nice(value):
    """The next round number."""
    if value <= 0:
        return 0
    size = 10 ** math.floor(math.log10(value))
    return next(at * size for at in (1, 1.6, 2, 3, 4, 5, 6, 8, 10, 12) if at * size >= value * 1.02)


STYLE = """
body { background: #111217; color: #ccccdc; font: 13px Inter, "Noto Sans", sans-serif; margin: 0 }
section { position: absolute; background: #181b1f; border: 1px solid #25282d; overflow: hidden }
section.row { background: none; border: none; font-size: 16px; font-weight: 500; padding-top: 8px }
h1 { font-size: 18px; font-weight: 500; margin: 14px 10px; display: inline-block }
nav { display: inline-block; color: #8e9199 }
h2 { font-size: 14px; font-weight: 500; margin: 6px 8px; white-space: nowrap }
svg { display: block } svg text { fill: #8e9199; font-size: 11px }
.grid { stroke: #25282d } .mark { stroke-dasharray: 4 3 }
.stat { position: absolute; inset: 26px 0 34px 0; display: flex; gap: 14px; align-items: center;
        justify-content: center; font-weight: 500; flex-wrap: wrap }
.stat small { font-size: 14px; color: #ccccdc } section.stats svg { position: absolute; bottom: 0 }
.legend { position: absolute; bottom: 4px; left: 10px; font-size: 12px; line-height: 17px }
.legend span { margin-right: 12px; white-space: nowrap }
.legend i { display: inline-block; width: 14px; height: 4px; margin: 3px 5px }
.nothing { text-align: center; margin-top: 30px; color: #8e9199; font-size: 16px }
table { border-collapse: collapse; width: calc(100% - 16px); margin: 0 8px }
.table td, .table th { border-bottom: 1px solid #25282d; padding: 5px; text-align: left; color: #ccccdc }
.bars td { padding: 3px 6px } .bars .name { text-align: right; white-space: nowrap } .bar { height: 16px }
"""


def page(dashboard, prometheus):
    """The dashboard as a page, and its height in pixels."""
    unit = WIDTH / 24
    sections, top, bottom = [], 50, 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        x, y = place["x"] * unit, top + place["y"] * CELL
        width, height = place["w"] * unit - GAP, place["h"] * CELL - GAP
        box = f'style="left:{x + GAP / 2:.0f}px;top:{y:.0f}px;width:{width:.0f}px;height:{height:.0f}px"'
        title = html.escape(panel["title"])
        bottom = max(bottom, y + height)
        if panel["type"] == "row":
            sections.append(f'<section class="row" {box}>{title}</section>')
            continue
        drawn = Panel(panel, prometheus, width - 2, height - 34).draw()
        kind = "stats" if panel["type"] == "stat" else ""
        told = html.escape(panel["description"], quote=True)
        sections.append(f'<section class="{kind}" {box}><h2 title="{told}">{title}</h2>{drawn}</section>')
    links = " · ".join(html.escape(link["title"]) for link in dashboard["links"])
    head = f"<h1>{html.escape(dashboard['title'])}</h1><nav>{links}</nav>"
    text = f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{head}{"".join(sections)}'
    return text, int(bottom + 20)


def picture(file, height):
    """A picture of the page beside it, if there is something to take it with."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium:
        subprocess.run(
            [
                chromium, "--headless=new", "--no-sandbox", "--hide-scrollbars",
                f"--window-size={WIDTH},{height}", f"--screenshot={file.with_suffix('.png')}", file.as_uri(),
            ],
            check=True, stderr=subprocess.DEVNULL, timeout=120,
        )


def main():
    url, out, *uids = sys.argv[1:]
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    wrong = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        if uids and path.stem not in uids:
            continue
        dashboard = json.loads(path.read_text())
        prometheus = Prometheus(url, dashboard)
        text, height = page(dashboard, prometheus)
        file = out / f"{path.stem}.html"
        file.write_text(text)
        picture(file, height)
        print(file)
        wrong += [f"{path.name}: {it}" for it in prometheus.wrong]
    sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
