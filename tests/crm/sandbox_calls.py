"""Calls that several tests of the sandbox make."""

import json
from urllib.request import Request, urlopen

PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 200


def all_pairs(sandbox, token, agents, *, limit=100):
    pairs, cursor = [], ""
    while True:
        page = sandbox.post(
            "externalcontact/batch/get_by_user",
            token,
            userid_list=agents,
            limit=limit,
            cursor=cursor,
        )
        assert page["errcode"] == 0, page
        pairs += page["external_contact_list"]
        cursor = page["next_cursor"]
        if not cursor:
            return pairs


def a_pair(sandbox, token, agents):
    pair = all_pairs(sandbox, token, agents)[0]
    return pair["follow_info"]["userid"], pair["external_contact"]["external_userid"]


def upload(sandbox, token, path, content, *, filename="a.png", **query):
    pairs = "&".join(f"{name}={value}" for name, value in query.items())
    head = (
        '--frontier\r\nContent-Disposition: form-data; name="media"; '
        f'filename="{filename}"; filelength={len(content)}\r\nContent-Type: image/png\r\n\r\n'
    )
    request = Request(
        f"{sandbox.url}/cgi-bin/media/{path}?access_token={token}&{pairs}",
        data=head.encode() + content + b"\r\n--frontier--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=frontier"},
    )
    with urlopen(request, timeout=10) as answer:
        return json.load(answer)
