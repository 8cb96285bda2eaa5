"""A simulator (level L1) of what GitLab and GitHub do with the comments of one merge request.

with forge("gitlab") as server:
    run(["scripts/ci-comment", "plan.md"], env=server.variables)
    assert server.bodies == ["…"]
"""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "glpat-right.01.token_"
OURS, OTHERS = "the token's user", "somebody else"
LIMITS = {"gitlab": 1_000_000, "github": 65_536}
PATHS = {
    "gitlab": r"/api/v4/projects/12/merge_requests/7/notes(?:/(?P<id>\d+))?",
    "github": r"/api/v3/repos/town/it/issues/(?:7/comments|comments/(?P<id>\d+))",
}
HEADERS = {"gitlab": ("PRIVATE-TOKEN", TOKEN), "github": ("Authorization", f"Bearer {TOKEN}")}
UPDATE = {"gitlab": "PUT", "github": "PATCH"}


class Forge(ThreadingHTTPServer):
    """The server; ``comments`` may be filled before, ``asked`` is every method and path."""

    daemon_threads = True

    def __init__(self, kind):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind, self.comments, self.asked, self.moved_to = kind, [], [], ""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def bodies(self):
        return [comment["body"] for comment in self.comments]

    def add(self, body, author=OTHERS):
        """Write a comment, as somebody at the web page would."""
        comment = {"id": 100 + len(self.comments), "body": body, "author": author}
        self.comments.append(comment)
        return comment

    @property
    def variables(self):
        """What the platform and its settings put into a job of this merge request."""
        common = {"CI": "true", "KAHYA_COMMENT_TOKEN": TOKEN}
        if self.kind == "gitlab":
            return common | {
                "GITLAB_CI": "true",
                "CI_API_V4_URL": f"{self.url}/api/v4",
                "CI_PROJECT_ID": "12",
                "CI_MERGE_REQUEST_IID": "7",
            }
        return common | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": f"{self.url}/api/v3",
            "GITHUB_REPOSITORY": "town/it",
            "GITHUB_REF": "refs/pull/7/merge",
        }


class _Handler(BaseHTTPRequestHandler):
    def _answer(self):
        forge, parts = self.server, urlsplit(self.path)
        forge.asked.append(f"{self.command} {self.path}")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        header, right = HEADERS[forge.kind]
        found = re.fullmatch(PATHS[forge.kind], parts.path)
        if forge.moved_to:
            return self._send(302, {}, {"Location": forge.moved_to})
        if self.headers.get(header) != right:
            return self._send(401, {"message": "401 Unauthorized"})
        if not found:
            return self._send(404, {"message": "404 Not found"})
        if self.command != "GET" and len(body["body"]) > LIMITS[forge.kind]:
            return self._send(422, {"message": "is too long"})
        return self._comments(found["id"], body, parse_qs(parts.query))

    def _comments(self, number, body, query):
        forge = self.server
        if number is None and self.command == "GET":
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return self._send(200, forge.comments[size * (page - 1) : size * page])
        if number is None and self.command == "POST":
            return self._send(201, forge.add(body["body"], OURS))
        one = next((c for c in forge.comments if c["id"] == int(number or 0)), None)
        if one is None or self.command != UPDATE[forge.kind]:
            return self._send(404, {"message": "404 Not found"})
        if one["author"] == OTHERS:
            return self._send(403, {"message": "403 Forbidden"})
        one["body"] = body["body"]
        return self._send(200, one)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - the server looks for these names

    def _send(self, code, document, headers=None):
        data = json.dumps(document).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Say nothing in the tests' output."""


@contextmanager
def forge(kind):
    """Run a forge of ``kind`` (gitlab or github) until the end of the block."""
    with Forge(kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
