"""The demo in a thread of this process, and requests to it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
import uvicorn

HOSTILE = "<script>document.title='hacked'</script>, The (1999)"
HOSTILE_ID = 7


class Caller:
    """Requests to one server; JSON in, replies out."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, json: Any = None, **more: Any) -> requests.Response:
        return requests.request(method, self.url + path, json=json, timeout=60, **more)

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, params=query).json()

    def begin(self, **person: Any) -> str:
        """The path of a new session."""
        return f"/sessions/{self.ask('POST', '/sessions', person).json()['id']}"

    def best(self, session: str, k: int = 10) -> list[int]:
        reply = self.ask("POST", f"{session}/recommend", {"k": k}).json()
        return [item["item_id"] for item in reply["items"]]

    def rate(self, session: str, item_id: Any, rating: float | None) -> requests.Response:
        return self.ask("POST", f"{session}/feedback", {"item_id": item_id, "rating": rating})


def refused(reply: requests.Response, status: int, words: str) -> bool:
    """Whether a reply has the status, and is a sentence with these words."""
    sentence = reply.json()["detail"]
    return reply.status_code == status and words in sentence and len(reply.json()) == 1


@contextlib.contextmanager
def in_thread(app: Any, port: int = 0) -> Iterator[Caller]:
    """The application on a port, a free one, for as long as the block lasts."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Caller(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
