"""Reads Markdown tables back, by the format's own rules: pipes part cells, a backslash before one makes it text."""

import re


def tables_of(markdown: str) -> list[list[list[str]]]:
    """Every table: its header, then its rows; each cell as its text."""
    tables: list[list[list[str]]] = []
    lines = markdown.splitlines()
    for number, line in enumerate(lines):
        if re.fullmatch(r"\|(:?-+:?\|)+", line):
            body = [lines[number - 1]]
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                body.append(row)
            tables.append([_cells(row) for row in body])
    return tables


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def numbers_of(cell: str) -> list[float]:
    """All numbers in a cell, in order: value, low, high, chance."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", cell)]
