#!/usr/bin/env python3
"""Draws what `growth.py` has measured: benches/growth_plot.py growth.svg NAME=growth.jsonl …"""

import json
import sys

PANELS = [
    ("thousand events/s", lambda line: line["events_per_second"] / 1e3),
    ("p99.9 of a request, ms", lambda line: line["p999_ms"]),
    ("bytes of index per event", lambda line: line["index_bytes_per_event"]),
    ("anonymous memory, MB", lambda line: line["anonymous_mb"]),
]
COLOURS = ["#1b6ca8", "#c0562b", "#3f7f3f", "#7a4a9a"]
LEFT, WIDTH, HEIGHT, GAP, TOP = 60, 560, 120, 34, 30


def polyline(points, colour):
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="2"/>'


def text(x, y, words, anchor="start"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'


def main(out, *named):
    runs = []
    for name, path in (one.split("=", 1) for one in named):
        with open(path) as lines:
            grown = [json.loads(line) for line in lines]
        runs.append((name, [line for line in grown if line["what"] == "grow"]))
    most_events = max(line["events"] for _, lines in runs for line in lines)
    height = TOP + len(PANELS) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, (name, _) in enumerate(runs):
        x = LEFT + place * 170
        parts.append(f'<rect x="{x}" y="8" width="12" height="4" fill="{COLOURS[place]}"/>')
        parts.append(text(x + 18, 15, name))
    for panel, (title, figure) in enumerate(PANELS):
        top = TOP + panel * (HEIGHT + GAP) + 14
        bottom = top + HEIGHT - 14
        most = max(figure(line) for _, lines in runs for line in lines) * 1.1
        parts.append(text(LEFT, top - 3, title))
        for share in (0, 0.5, 1):
            y = bottom - share * (bottom - top)
            parts.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
            parts.append(text(LEFT - 6, y + 4, f"{most * share:.0f}", "end"))
        for place, (_, lines) in enumerate(runs):
            points = [
                (
                    LEFT + WIDTH * line["events"] / most_events,
                    bottom - (bottom - top) * figure(line) / most,
                )
                for line in lines
            ]
            parts.append(polyline(points, COLOURS[place]))
    parts.append(text(LEFT + WIDTH, height - 6, f"{most_events / 1e6:.0f} million events", "end"))
    parts.append("</svg>")
    with open(out, "w") as file:
        file.write("\n".join(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
