"""List every key of a config, or of a study, with type, default and meaning, or print them as JSON Schema."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from srae.cli import print_json, say

EXAMPLES = """
  srae schema
  srae schema --study
  srae schema --json
  srae schema --write configs/schema.json
  srae schema --study --write configs/studies/schema.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", action="store_true", help="the keys of a study, not those of a config")
    parser.add_argument("--json", action="store_true", help="print JSON Schema")
    parser.add_argument("--write", metavar="FILE", type=Path, help="write JSON Schema to this file")


def run(args: argparse.Namespace) -> int:
    from srae.config.json_schema import describe_schema, section_schema

    if args.study:
        from srae.studies.plan import Study

        schema = section_schema(Study, "srae study")
    else:
        from srae.training.config_schema import build_schema

        schema = build_schema()
    if args.write:
        from srae.files import write_text

        write_text(args.write, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        say(f"wrote {args.write}")
    if args.json:
        print_json(schema)
    elif not args.write:
        print("\n".join(describe_schema(schema)))
    return 0
