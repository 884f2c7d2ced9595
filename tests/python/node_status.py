"""Reads a page of NodeStatus as scripts around contrail-status do, and prints what it says as JSON.

Arguments: a file with the page.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree


def read(element):
    """Lists are an element `list` inside of another; everything else is a text, or has members."""
    inner = element.find("list")
    if inner is not None:
        return [read(item) if len(item) else item.text for item in inner]
    if len(element):
        return {member.tag: read(member) for member in element}
    return element.text or ""


(node,) = ElementTree.parse(sys.argv[1]).getroot().iterfind(".//NodeStatus")
print(json.dumps(read(node)))
