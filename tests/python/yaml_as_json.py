"""Prints a file of YAML as JSON: yaml_as_json.py FILE"""
import json
import sys

import yaml

with open(sys.argv[1]) as file:
    print(json.dumps(yaml.safe_load(file)))
